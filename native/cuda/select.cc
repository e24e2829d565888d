#include "elementwise/select.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("select", [](const LaunchContext& context, Arguments& arguments) {
  select(context, {
                      .condition = arguments.tensor(),
                      .t = arguments.tensor(),
                      .e = arguments.tensor(),
                      .output = arguments.tensor(),
                      .size = arguments.integer(),
                      .row_length = arguments.integer(),
                  });
});

}  // namespace
}  // namespace attention::cuda
