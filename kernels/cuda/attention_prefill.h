#pragma once

#include "attention.h"

namespace attention {

/// Prefill of heads of at most HeadSize elements, 64, 128 or 256. `large`: in large tiles of rows.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, bool large, bool all);

}  // namespace attention
