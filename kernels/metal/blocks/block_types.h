// GGML's block types: weights whose elements are small integers in blocks with float16 scales, in the bytes of GGUF
// files. Every type is a struct: `length` elements of a block take `bytes` bytes, and `decode(block, group, quad)` gives
// elements 4 * quad to 4 * quad + 3 of a group of 32, rounded as GGML's reference rounds them.
#pragma once
#include <metal_stdlib>

using namespace metal;

constant constexpr uint block_group = 32;

inline float read_half(device const uchar* from) {
  return float(as_type<half>(ushort(uint(from[0]) | uint(from[1]) << 8)));
}

/// A scale, then two codes per byte: element i in the low half and i + 16 in the high half of byte i.
struct BlockQ4_0 {
  static constant constexpr uint length = 32;
  static constant constexpr uint bytes = 18;

  static float4 decode(device const uchar* block, uint, uint quad) {
    const float scale = read_half(block);
    device const uchar* codes = block + 2 + quad % 4 * 4;
    float4 values;
    for (uint i = 0; i < 4; i++) values[i] = scale * float(int(uint(codes[i]) >> (quad & 4) & 0xf) - 8);
    return values;
  }
};

/// The same with a fifth bit of all elements between the scale and the rest.
struct BlockQ5_0 {
  static constant constexpr uint length = 32;
  static constant constexpr uint bytes = 22;

  static float4 decode(device const uchar* block, uint, uint quad) {
    const float scale = read_half(block);
    device const uchar* codes = block + 6 + quad % 4 * 4;
    const uint high = uint(block[2 + quad / 2]) >> quad % 2 * 4;
    float4 values;
    for (uint i = 0; i < 4; i++) {
      const uint code = (uint(codes[i]) >> (quad & 4) & 0xf) | (high >> i & 1) << 4;
      values[i] = scale * float(int(code) - 16);
    }
    return values;
  }
};

/// A scale, then signed bytes.
struct BlockQ8_0 {
  static constant constexpr uint length = 32;
  static constant constexpr uint bytes = 34;

  static float4 decode(device const uchar* block, uint, uint quad) {
    const float scale = read_half(block);
    float4 values;
    for (uint i = 0; i < 4; i++) values[i] = scale * (float(block[2 + quad * 4 + i] ^ 0x80) - 128.0f);
    return values;
  }
};

/// Groups with 6-bit scales and minima: two factors of them all, 12 bytes of both, then codes: those of groups 2j and
/// 2j + 1 share 32 bytes. With 5 bits, the fifth bit of group g is bit g of 32 bytes before them.
template <uint bits>
struct BlockWithMinima {
  static constant constexpr uint length = 256;
  static constant constexpr uint bytes = bits == 5 ? 176 : 144;

  static float4 decode(device const uchar* block, uint group, uint quad) {
    device const uchar* packed = block + 4 + group;
    uint scale = packed[0] & 63;
    uint minimum = packed[4] & 63;
    if (group >= 4) {
      scale = (packed[4] & 0xf) | uint(packed[-4]) >> 6 << 4;
      minimum = uint(packed[4]) >> 4 | uint(packed[0]) >> 6 << 4;
    }
    const float factor = read_half(block) * float(scale);
    const float offset = read_half(block + 2) * float(minimum);
    device const uchar* codes = block + (bits == 5 ? 48 : 16) + group / 2 * 32 + quad * 4;
    float4 values;
    for (uint i = 0; i < 4; i++) {
      uint code = uint(codes[i]) >> group % 2 * 4 & 0xf;
      if (bits == 5) code |= (uint(block[16 + quad * 4 + i]) >> group & 1) << 4;
      values[i] = fma(factor, float(code), -offset);
    }
    return values;
  }
};
using BlockQ4_K = BlockWithMinima<4>;
using BlockQ5_K = BlockWithMinima<5>;

/// Low 4 bits, high 2 bits, a signed byte of scale per half group, the factor of these. Each half of the block uses half
/// of the bytes.
struct BlockQ6_K {
  static constant constexpr uint length = 256;
  static constant constexpr uint bytes = 210;

  static float4 decode(device const uchar* block, uint group, uint quad) {
    const uint quarter = group % 4;
    device const uchar* low = block + group / 4 * 64 + quarter % 2 * 32 + quad * 4;
    device const uchar* high = block + 128 + group / 4 * 32 + quad * 4;
    const float scale = read_half(block + 208) * (float(block[192 + group * 2 + quad / 4] ^ 0x80) - 128.0f);
    float4 values;
    for (uint i = 0; i < 4; i++) {
      const uint code = (uint(low[i]) >> quarter / 2 * 4 & 0xf) | (uint(high[i]) >> quarter * 2 & 3) << 4;
      values[i] = scale * float(int(code) - 32);
    }
    return values;
  }
};

/// Elements k to k + 3 of a line of blocks; k is a multiple of 4.
template <typename Block>
inline float4 decode_line(device const uchar* line, uint k) {
  return Block::decode(line + ulong(k / Block::length) * Block::bytes, k % Block::length / block_group,
                       k % block_group / 4);
}
