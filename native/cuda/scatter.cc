#include "movement/scatter.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("scatter", [](const LaunchContext& context, Arguments& arguments) {
  scatter(context, {
                       .tensor = arguments.tensor(),
                       .indices = arguments.tensor(),
                       .updates = arguments.tensor(),
                       .output = arguments.tensor(),
                       .strides = arguments.integers(),
                       .count = arguments.integer(),
                       .slice_length = arguments.integer(),
                       .slices = arguments.integer(),
                   });
});

}  // namespace
}  // namespace attention::cuda
