#include "attention/attention_decode.h"

namespace attention {

void attend_decode(const LaunchContext& context, const AttentionParams& params) {
  if (params.tokens == 0 || params.sequences == 0) return;
  with_half_type(params.query.type, [&](auto tag) {
    attend_decode_type<typename decltype(tag)::type>(context, params);
  });
}

}  // namespace attention
