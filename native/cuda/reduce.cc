#include "reduction/reduce.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("reduce", [](const LaunchContext& context, Arguments& arguments) {
  reduce(context, {
                      .operation = arguments.integer32(),
                      .x = arguments.tensor(),
                      .output = arguments.tensor(),
                      .output_shape = arguments.integers(),
                      .output_strides = arguments.integers(),
                      .reduce_shape = arguments.integers(),
                      .reduce_strides = arguments.integers(),
                  });
});

}  // namespace
}  // namespace attention::cuda
