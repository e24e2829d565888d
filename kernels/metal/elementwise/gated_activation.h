#pragma once
#include "elementwise/activations.h"
#include "common/pack.h"

/// Parameters of silu_and_mul and gelu_and_mul.
struct GatedActivationParams {
  uint width;  // of the output
};

/// Computes Activation()(gate) * up for a row [gate | up] of `x`: every `stride`-th pack of N elements, starting with
/// pack `first`.
template <typename Activation, int N, typename T>
inline void gated_activation_row(device T* output, device const T* x, uint width, uint first, uint stride) {
  for (uint i = first * N; i < width; i += stride * N) {
    float gates[N];
    float ups[N];
    load_pack<N>(gates, x + i);
    load_pack<N>(ups, x + width + i);
    for (int j = 0; j < N; j++) gates[j] = Activation()(gates[j]) * ups[j];
    store_pack<N>(output + i, gates);
  }
}

/// Row y of the grid computes row y of the output. `vectorized`: the width is a multiple of 8.
template <typename Activation, typename T>
inline void gated_activation(device T* output, device const T* x, uint width, bool vectorized, uint2 position,
                             uint2 grid_size) {
  device const T* row = x + 2 * ulong(position.y) * width;
  device T* output_row = output + ulong(position.y) * width;
  if (vectorized) {
    gated_activation_row<Activation, 8>(output_row, row, width, position.x, grid_size.x);
  } else {
    gated_activation_row<Activation, 1>(output_row, row, width, position.x, grid_size.x);
  }
}
