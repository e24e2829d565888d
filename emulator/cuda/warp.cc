// Functions that exchange values between the lanes of a warp.

#include "device/warp.h"

#include "grid.h"

namespace attention::emulator {
namespace {

template <Shuffle Kind>
void finish_shuffle(Warp& warp, unsigned mask) {
  uint64_t results[warp_lanes] = {};
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    const ShuffleOperands& own = *operands<ShuffleOperands>(warp, lane);
    const int first = lane & ~(own.width - 1);
    const int last = first + own.width - 1;
    int source = 0;
    if (Kind == Shuffle::index) source = first | (own.argument & (own.width - 1));
    if (Kind == Shuffle::up) source = lane - own.argument < first ? lane : lane - own.argument;
    if (Kind == Shuffle::down) source = lane + own.argument > last ? lane : lane + own.argument;
    if (Kind == Shuffle::exclusive_or) source = (lane ^ own.argument) > last ? lane : lane ^ own.argument;
    // Undefined on a GPU: all ones, which is NaN.
    results[lane] = source >= 0 && source < 32 && (mask >> source & 1) ? operands<ShuffleOperands>(warp, source)->value
                                                                       : ~uint64_t(0);
  }
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    operands<ShuffleOperands>(warp, lane)->value = results[lane];
  }
}

}  // namespace

void shuffle(unsigned mask, ShuffleOperands& operands, Shuffle kind, const Site& site) {
  constexpr Finish* finish[] = {finish_shuffle<Shuffle::index>, finish_shuffle<Shuffle::up>,
                                finish_shuffle<Shuffle::down>, finish_shuffle<Shuffle::exclusive_or>};
  if (operands.width < 1 || operands.width > 32 || !std::has_single_bit(unsigned(operands.width))) {
    fail(site, "expected a width of 1, 2, 4, 8, 16 or 32");
  }
  join_warp(mask, &operands, finish[int(kind)], site);
}

unsigned ballot(unsigned mask, bool predicate, const Site& site) {
  unsigned value = predicate;
  join_warp(
      mask, &value,
      [](Warp& warp, unsigned lanes) {
        unsigned result = 0;
        for (unsigned rest = lanes; rest; rest &= rest - 1) {
          const int lane = std::countr_zero(rest);
          result |= *operands<unsigned>(warp, lane) << lane;
        }
        for (unsigned rest = lanes; rest; rest &= rest - 1) *operands<unsigned>(warp, std::countr_zero(rest)) = result;
      },
      site);
  return value;
}

unsigned match(unsigned mask, uint64_t value, const Site& site) {
  struct Operands {
    uint64_t value;
    unsigned result;
  } own{value, 0};
  join_warp(
      mask, &own,
      [](Warp& warp, unsigned lanes) {
        for (unsigned rest = lanes; rest; rest &= rest - 1) {
          auto& lane = *operands<Operands>(warp, std::countr_zero(rest));
          for (unsigned others = lanes; others; others &= others - 1) {
            const int other = std::countr_zero(others);
            lane.result |= unsigned(operands<Operands>(warp, other)->value == lane.value) << other;
          }
        }
      },
      site);
  return own.result;
}

void synchronize_warp(unsigned mask, const Site& site) { join_warp(mask, nullptr, nullptr, site, true); }

}  // namespace attention::emulator
