#include "cache/copy_blocks.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("copyBlocks", [](const LaunchContext& context, Arguments& arguments) {
  copy_blocks(context, {
                           .key_cache = arguments.tensor(),
                           .value_cache = arguments.tensor(),
                           .pairs = arguments.tensor(),
                           .num_pairs = arguments.integer32(),
                           .block_bytes = arguments.integer(),
                       });
});

}  // namespace
}  // namespace attention::cuda
