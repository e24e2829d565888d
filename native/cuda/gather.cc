#include "movement/gather.h"

#include "binding.h"

namespace attention::cuda {
namespace {

// GatherV2, and with several strides GatherNd, of which batch and outer are 1.
const Binding binding("gather", [](const LaunchContext& context, Arguments& arguments) {
  gather(context, {
                      .x = arguments.tensor(),
                      .indices = arguments.tensor(),
                      .output = arguments.tensor(),
                      .strides = arguments.integers(),
                      .batch = arguments.integer(),
                      .outer = arguments.integer(),
                      .axis_length = arguments.integer(),
                      .index_count = arguments.integer(),
                      .slice_length = arguments.integer(),
                  });
});

}  // namespace
}  // namespace attention::cuda
