#include "movement/one_hot.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("oneHot", [](const LaunchContext& context, Arguments& arguments) {
  one_hot(context, {
                       .indices = arguments.tensor(),
                       .output = arguments.tensor(),
                       .count = arguments.integer(),
                       .depth = arguments.integer(),
                       .on = arguments.number(),
                       .off = arguments.number(),
                   });
});

}  // namespace
}  // namespace attention::cuda
