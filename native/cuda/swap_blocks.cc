#include "cache/swap_blocks.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("swapBlocks", [](const LaunchContext& context, Arguments& arguments) {
  swap_blocks(context, {
                           .source = arguments.tensor(),
                           .destination = arguments.tensor(),
                           .pairs = arguments.tensor(),
                           .num_pairs = arguments.integer32(),
                           .block_bytes = arguments.integer(),
                       });
});

}  // namespace
}  // namespace attention::cuda
