#include "reduction/top_k.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("topK", [](const LaunchContext& context, Arguments& arguments) {
  top_k(context, {
                     .x = arguments.tensor(),
                     .values = arguments.tensor(),
                     .indices = arguments.tensor(),
                     .rows = arguments.integer(),
                     .length = arguments.integer(),
                     .k = arguments.integer32(),
                 });
});

}  // namespace
}  // namespace attention::cuda
