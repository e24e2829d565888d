#include "elementwise/binary.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("binary", [](const LaunchContext& context, Arguments& arguments) {
  binary(context, {
                      .operation = arguments.integer32(),
                      .a = arguments.tensor(),
                      .b = arguments.tensor(),
                      .output = arguments.tensor(),
                      .shape = arguments.integers(),
                      .a_strides = arguments.integers(),
                      .b_strides = arguments.integers(),
                  });
});

}  // namespace
}  // namespace attention::cuda
