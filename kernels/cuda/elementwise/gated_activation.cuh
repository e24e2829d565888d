#pragma once
// Computes activation(gate) * up for rows [gate | up]. Each thread loads all its packs before it computes, to have
// several loads in flight.

#include "elementwise/activations.cuh"
#include "common/convert.cuh"
#include "common/operation.h"

namespace attention {

/// Parameters of silu_and_mul.
struct GatedActivationParams {
  Operand x;       // [rows, 2 * width]: gate, then up
  Operand output;  // [rows, width], the type of x
  int64_t rows;
  int width;
};

constexpr int gated_activation_threads = 256;
constexpr int gated_activation_packs = 2;  // per thread

/// N elements per pack; the width is packs_per_row * N.
template <typename Activation, int N, typename T, typename Index>
__global__ void gated_activation_kernel(const T* __restrict__ x, T* __restrict__ output, Index packs,
                                        Index packs_per_row) {
  constexpr int Packs = gated_activation_packs;
  constexpr bool fast = sizeof(T) == 2;
  const Index first = Index(blockIdx.x) * (gated_activation_threads * Packs) + threadIdx.x;
  Pack<T, N> gates[Packs];
  Pack<T, N> ups[Packs];
#pragma unroll
  for (int i = 0; i < Packs; i++) {
    const Index pack = first + i * gated_activation_threads;
    if (pack >= packs) break;
    const int64_t gate = int64_t(pack) + pack / packs_per_row * packs_per_row;
    gates[i] = reinterpret_cast<const Pack<T, N>*>(x)[gate];
    ups[i] = reinterpret_cast<const Pack<T, N>*>(x)[gate + packs_per_row];
  }
#pragma unroll
  for (int i = 0; i < Packs; i++) {
    const Index pack = first + i * gated_activation_threads;
    if (pack >= packs) break;
#pragma unroll
    for (int j = 0; j < N; j++) {
      const float activated = Activation::template apply<fast>(to_float(gates[i].elements[j]));
      gates[i].elements[j] = from_float<T>(activated * to_float(ups[i].elements[j]));
    }
    reinterpret_cast<Pack<T, N>*>(output)[pack] = gates[i];
  }
}

template <typename Activation, int N, typename T>
void launch_gated_activation(const LaunchContext& context, const GatedActivationParams& params) {
  const int packs_per_row = params.width / N;
  const int64_t packs = params.rows * packs_per_row;
  constexpr int per_block = gated_activation_threads * gated_activation_packs;
  const Grid grid = {.blocks = divide_up<int64_t>(packs, per_block), .threads = gated_activation_threads};
  if (packs + per_block <= UINT32_MAX) {
    launch(context, gated_activation_kernel<Activation, N, T, uint32_t>, grid, params.x.as<T>(),
           params.output.as<T>(), packs, packs_per_row);
  } else {
    launch(context, gated_activation_kernel<Activation, N, T, uint64_t>, grid, params.x.as<T>(),
           params.output.as<T>(), packs, packs_per_row);
  }
}

template <typename Activation>
void gated_activation(const LaunchContext& context, const GatedActivationParams& params) {
  if (params.rows == 0 || params.width == 0) return;
  with_float_type(params.x.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (params.width % pack_size<T> == 0) {
      return launch_gated_activation<Activation, pack_size<T>, T>(context, params);
    }
    launch_gated_activation<Activation, 1, T>(context, params);
  });
}

}  // namespace attention
