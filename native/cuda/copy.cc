#include "movement/copy.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("copy", [](const LaunchContext& context, Arguments& arguments) {
  copy(context, {
                    .x = arguments.tensor(),
                    .output = arguments.tensor(),
                    .shape = arguments.integers(),
                    .x_strides = arguments.integers(),
                    .output_strides = arguments.integers(),
                    .x_offset = arguments.integer(),
                    .output_offset = arguments.integer(),
                });
});

}  // namespace
}  // namespace attention::cuda
