// The gated MLPs of each token's experts. Many pairs take three kernels: fused_moe_gate_up, then moe_gemm for the down
// projection, then fused_moe_sum. Few pairs take the two *_rows kernels, which read each weight once.
#include "common/enumerations.h"
#include "elementwise/activations.h"
#include "moe/moe_gemm.h"

constant bool aligned [[function_constant(0)]];  // the depth is a multiple of 16 bytes
constant int activation [[function_constant(1)]];  // a MoeActivation

struct FusedMoeParams {
  uint tokens;
  uint topk;
  uint experts;
  uint hidden;
  uint intermediate;
};

inline float activate(float gate) {
  switch (attention::MoeActivation(activation)) {
    case attention::MoeActivation::silu: return Silu()(gate);
    case attention::MoeActivation::gelu: return Gelu()(gate);
    default: return GeluTanh()(gate);
  }
}

constant constexpr uint gate_columns = 32;  // half of a tile's columns; the other half belongs to the up projection

/// `gate_columns` rows of the gate's weights, then as many of the up projection's.
template <typename T>
struct GateUpLines {
  device const T* gate;
  device const T* up;
  ulong stride;
  uint count;

  device const T* line(uint i) const {
    const uint row = i % gate_columns;
    if (row >= count) return nullptr;
    return (i < gate_columns ? gate : up) + row * stride;
  }
};

/// activation(gate · x) * (up · x) for a tile of pairs of one expert by 32 columns. Output row i belongs to sorted pair
/// i.
template <typename T>
[[kernel]] void fused_moe_gate_up(device const T* x [[buffer(0)]],
                                  device const T* weights [[buffer(1)]],
                                  device const int* sorted_token_ids [[buffer(2)]],
                                  device const MoeTile* tiles [[buffer(3)]],
                                  device T* output [[buffer(4)]],
                                  constant FusedMoeParams& params [[buffer(5)]],
                                  uint2 group [[threadgroup_position_in_grid]],
                                  uint thread_index [[thread_index_in_threadgroup]],
                                  uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using Tile = MoeGemmTile<T>;
  threadgroup float4 memory[Tile::memory_size];
  threadgroup uint input_rows[moe_tile_rows];

  const MoeTile tile = tiles[group.y];
  const uint count = uint(tile.end - tile.first);
  if (count == 0 || tile.expert < 0) return;  // moe_gemm writes NaN for pairs without an expert
  for (uint i = thread_index; i < moe_tile_rows; i += Tile::threads) {
    input_rows[i] = i < count ? uint(sorted_token_ids[tile.first + i]) / params.topk : moe_no_row;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  const uint first_column = group.x * gate_columns;
  const uint num_columns = min(gate_columns, params.intermediate - first_column);
  const uint depth = params.hidden;
  device const T* gate = weights + (ulong(tile.expert) * 2 * params.intermediate + first_column) * depth;
  device const T* up = gate + ulong(params.intermediate) * depth;
  const DepthContiguous<T, MoeInputRows<T>> a = {{x, input_rows, depth}, depth, aligned};
  const DepthContiguous<T, GateUpLines<T>> b = {{gate, up, depth, num_columns}, depth, aligned};
  threadgroup const float* products = Tile::multiply(memory, a, b, depth, thread_index, simdgroup);

  for (uint i = thread_index; i < count * gate_columns; i += Tile::threads) {
    const uint row = i / gate_columns;
    const uint column = i % gate_columns;
    if (column >= num_columns) continue;
    threadgroup const float* product = products + row * Tile::pitch + column;
    const ulong output_row = ulong(uint(tile.first) + row) * params.intermediate;
    output[output_row + first_column + column] = T(activate(product[0]) * product[gate_columns]);
  }
}

/// Sums the rows of each token in the order of its experts.
template <typename T>
[[kernel]] void fused_moe_sum(device const float* products [[buffer(0)]],
                              device T* output [[buffer(1)]],
                              constant FusedMoeParams& params [[buffer(2)]],
                              uint2 position [[thread_position_in_grid]],
                              uint2 grid_size [[threads_per_grid]]) {
  device const float* rows = products + ulong(position.y) * params.topk * params.hidden;
  device T* output_row = output + ulong(position.y) * params.hidden;
  for (uint i = position.x; i < params.hidden; i += grid_size.x) {
    float sum = 0.0f;
    for (uint j = 0; j < params.topk; j++) sum += rows[ulong(j) * params.hidden + i];
    output_row[i] = T(sum);
  }
}

/// activation(gate · x) * (up · x): each simdgroup computes moe_rows_per_simdgroup columns of one pair. Output row i
/// belongs to pair i.
template <typename T>
[[kernel]] void fused_moe_gate_up_rows(device const T* x [[buffer(0)]],
                                       device const T* weights [[buffer(1)]],
                                       device const int* topk_ids [[buffer(2)]],
                                       device T* output [[buffer(3)]],
                                       constant FusedMoeParams& params [[buffer(4)]],
                                       uint2 group [[threadgroup_position_in_grid]],
                                       uint simdgroup [[simdgroup_index_in_threadgroup]],
                                       uint lane [[thread_index_in_simdgroup]]) {
  const uint pair = group.y;
  const uint expert = uint(topk_ids[pair]);
  const uint column = (group.x * moe_rows_simdgroups + simdgroup) * moe_rows_per_simdgroup;
  if (expert >= params.experts || column >= params.intermediate) return;
  const uint num_columns = min(moe_rows_per_simdgroup, params.intermediate - column);
  const uint depth = params.hidden;
  device const T* row = x + ulong(pair / params.topk) * depth;
  device const T* gate = weights + (ulong(expert) * 2 * params.intermediate + column) * depth;
  device const T* up = gate + ulong(params.intermediate) * depth;

  float gates[moe_rows_per_simdgroup];
  float ups[moe_rows_per_simdgroup];
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) {
    gates[i] = 0.0f;
    ups[i] = 0.0f;
  }
  gemm_rows<moe_rows_per_simdgroup>(gates, 1.0f, row, gate, depth, num_columns, aligned, lane);
  gemm_rows<moe_rows_per_simdgroup>(ups, 1.0f, row, up, depth, num_columns, aligned, lane);
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) {
    const float activated = activate(simd_sum(gates[i])) * simd_sum(ups[i]);
    if (lane == i && i < num_columns) output[ulong(pair) * params.intermediate + column + i] = T(activated);
  }
}

/// The weighted sum of a token's down projections, in the order of its experts: each simdgroup computes
/// moe_rows_per_simdgroup columns of one token.
template <typename T>
[[kernel]] void fused_moe_down_rows(device const T* x [[buffer(0)]],
                                    device const T* weights [[buffer(1)]],
                                    device const int* topk_ids [[buffer(2)]],
                                    device const float* topk_weights [[buffer(3)]],
                                    device T* output [[buffer(4)]],
                                    constant FusedMoeParams& params [[buffer(5)]],
                                    uint2 group [[threadgroup_position_in_grid]],
                                    uint simdgroup [[simdgroup_index_in_threadgroup]],
                                    uint lane [[thread_index_in_simdgroup]]) {
  const uint token = group.y;
  const uint column = (group.x * moe_rows_simdgroups + simdgroup) * moe_rows_per_simdgroup;
  if (column >= params.hidden) return;
  const uint num_columns = min(moe_rows_per_simdgroup, params.hidden - column);
  const uint depth = params.intermediate;

  float sums[moe_rows_per_simdgroup];
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) sums[i] = 0.0f;
  for (uint j = 0; j < params.topk; j++) {
    const uint pair = token * params.topk + j;
    const uint expert = uint(topk_ids[pair]);
    if (expert < params.experts) {
      device const T* rows = weights + (ulong(expert) * params.hidden + column) * depth;
      gemm_rows<moe_rows_per_simdgroup>(sums, topk_weights[pair], x + ulong(pair) * depth, rows, depth, num_columns,
                                        aligned, lane);
    } else {
      for (uint i = 0; i < moe_rows_per_simdgroup; i++) sums[i] = NAN;
    }
  }
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) {
    const float sum = simd_sum(sums[i]);
    if (lane == i && i < num_columns) output[ulong(token) * params.hidden + column + i] = T(sum);
  }
}

#define instantiate_fused_moe(type)                                                                               \
  template [[host_name("fused_moe_gate_up_" #type)]] [[kernel]] void fused_moe_gate_up<type>(                     \
      device const type*, device const type*, device const int*, device const MoeTile*, device type*,             \
      constant FusedMoeParams&, uint2, uint, uint);                                                               \
  template [[host_name("fused_moe_sum_" #type)]] [[kernel]] void fused_moe_sum<type>(                             \
      device const float*, device type*, constant FusedMoeParams&, uint2, uint2);                                 \
  template [[host_name("fused_moe_gate_up_rows_" #type)]] [[kernel]] void fused_moe_gate_up_rows<type>(           \
      device const type*, device const type*, device const int*, device type*, constant FusedMoeParams&, uint2,   \
      uint, uint);                                                                                                \
  template [[host_name("fused_moe_down_rows_" #type)]] [[kernel]] void fused_moe_down_rows<type>(                 \
      device const type*, device const type*, device const int*, device const float*, device type*,               \
      constant FusedMoeParams&, uint2, uint, uint);

instantiate_fused_moe(float)
instantiate_fused_moe(half)
instantiate_fused_moe(bfloat)
