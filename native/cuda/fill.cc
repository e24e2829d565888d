#include "movement/fill.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("fill", [](const LaunchContext& context, Arguments& arguments) {
  fill(context, {
                    .output = arguments.tensor(),
                    .size = arguments.integer(),
                    .start = arguments.number(),
                    .step = arguments.number(),
                    .int_start = arguments.integer32(),
                    .int_step = arguments.integer32(),
                });
});

}  // namespace
}  // namespace attention::cuda
