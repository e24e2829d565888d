#include "elementwise/silu_and_mul.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("siluAndMul", [](const LaunchContext& context, Arguments& arguments) {
  silu_and_mul(context, {
                            .x = arguments.tensor(),
                            .output = arguments.tensor(),
                            .rows = arguments.integer(),
                            .width = arguments.integer32(),
                        });
});

}  // namespace
}  // namespace attention::cuda
