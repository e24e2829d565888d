#include "movement/convert_elements.h"

#include <algorithm>

#include "movement/convert_elements.cuh"

namespace attention {

void convert_elements(const LaunchContext& context, const Operand& from, const Operand& to, int64_t count) {
  if (count == 0) return;
  // int32 to int32 is a copy of 32-bit words.
  const auto storage = [](ElementType type) { return type == ElementType::int32 ? ElementType::float32 : type; };
  with_float_type(storage(from.type), [&](auto from_tag) {
    with_float_type(storage(to.type), [&](auto to_tag) {
      using From = typename decltype(from_tag)::type;
      using To = typename decltype(to_tag)::type;
      constexpr int64_t per_thread = convert_packs * 16 / int64_t(std::min(sizeof(From), sizeof(To)));
      launch(context, convert_elements_kernel<From, To>,
             {.blocks = divide_up(count, per_thread * convert_threads), .threads = convert_threads},
             from.as<From>(), to.as<To>(), count);
    });
  });
}

}  // namespace attention
