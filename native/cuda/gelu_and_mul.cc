#include "elementwise/gelu_and_mul.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("geluAndMul", [](const LaunchContext& context, Arguments& arguments) {
  const GatedActivationParams params = {
      .x = arguments.tensor(),
      .output = arguments.tensor(),
      .rows = arguments.integer(),
      .width = arguments.integer32(),
  };
  gelu_and_mul(context, params, arguments.flag());
});

}  // namespace
}  // namespace attention::cuda
