#pragma once

#include "attention/attention.h"

namespace attention {

/// Whether attend_prefill_hopper supports these parameters on the context's device, and sequences are long enough for
/// its tiles.
bool can_prefill_hopper(const LaunchContext& context, const AttentionParams& params);

/// attend_prefill with Hopper's own instructions.
void attend_prefill_hopper(const LaunchContext& context, const AttentionParams& params, bool include_decodes);

/// The same for heads of at most HeadSize elements, 64, 96, 128, 192 or 256. Instantiated in separate files because it
/// takes long to compile.
template <typename T, int HeadSize>
void launch_prefill_hopper(const LaunchContext& context, const AttentionParams& params, bool include_decodes);

}  // namespace attention
