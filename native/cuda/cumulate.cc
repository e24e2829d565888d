#include "reduction/cumulate.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("cumulate", [](const LaunchContext& context, Arguments& arguments) {
  cumulate(context, {
                        .x = arguments.tensor(),
                        .output = arguments.tensor(),
                        .rows = arguments.integer(),
                        .length = arguments.integer(),
                        .product = arguments.flag(),
                        .exclusive = arguments.flag(),
                        .reversed = arguments.flag(),
                    });
});

}  // namespace
}  // namespace attention::cuda
