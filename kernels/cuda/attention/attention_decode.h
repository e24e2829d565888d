#pragma once

#include "attention/attention.h"

namespace attention {

/// attend_decode for one type, float16 or bfloat16: instantiated in a file each, as they take long to compile.
template <typename T>
void attend_decode_type(const LaunchContext& context, const AttentionParams& params);

extern template void attend_decode_type<float16>(const LaunchContext& context, const AttentionParams& params);
extern template void attend_decode_type<bfloat16>(const LaunchContext& context, const AttentionParams& params);

}  // namespace attention
