#pragma once
// GGML's block types: weights whose elements are small integers in blocks with float16 scales, in the bytes of GGUF
// files. Every type is a row of this table, in terms of groups of 32 elements:
//
//   length, bytes     of a block
//   offset            what is subtracted from an element's code, a byte of at most 7 bits unless `offset` is 128
//   has_minimum       an element is scale · (code - offset) - minimum; otherwise there is no minimum
//   has_half_scales   each half of a group has a scale of its own
//   codes(b, g, q)    the codes of elements 4q to 4q + 3 of group g of block b, one per byte
//   factors(b, g, h)  the scale and minimum of half h of group g
//
// A block lies in global or shared memory, at a multiple of `alignment` bytes.

#include "common/convert.cuh"
#include "common/ptx.cuh"

namespace attention {

constexpr int block_group = 32;

struct BlockFactors {
  float scale;
  float minimum;

  /// The decoded element, rounded as GGML's reference does: `code` has `offset` subtracted.
  __device__ __forceinline__ float decode(float code) const { return fmaf(scale, code, -minimum); }
};

namespace block_bits {

__device__ __forceinline__ uint32_t read16(const uint8_t* from) { return *reinterpret_cast<const uint16_t*>(from); }

/// Four bytes at a multiple of two.
__device__ __forceinline__ uint32_t read32(const uint8_t* from) { return read16(from) | read16(from + 2) << 16; }

__device__ __forceinline__ uint32_t read32_aligned(const uint8_t* from) {
  return *reinterpret_cast<const uint32_t*>(from);
}

__device__ __forceinline__ float half_to_float(uint32_t bits) {
  const uint16_t low = uint16_t(bits);
  return to_float(reinterpret_cast<const float16&>(low));
}

/// Bit i of four becomes bit 4 of byte i.
__device__ __forceinline__ uint32_t spread_bits(uint32_t bits) { return (bits * 0x00204081u & 0x01010101u) << 4; }

}  // namespace block_bits

/// A float16 scale, then two codes per byte: element i in the low half and i + 16 in the high half of byte i.
struct BlockQ4_0 {
  static constexpr int length = 32, bytes = 18, offset = 8, alignment = 2;
  static constexpr bool has_minimum = false, has_half_scales = false;

  static __device__ __forceinline__ uint32_t codes(const uint8_t* block, int, int quad) {
    return block_bits::read32(block + 2 + quad % 4 * 4) >> (quad & 4) & 0x0f0f0f0fu;
  }
  static __device__ __forceinline__ BlockFactors factors(const uint8_t* block, int, int) {
    return {block_bits::half_to_float(block_bits::read16(block)), 0.0f};
  }
};

/// The same with a fifth bit of all elements between the scale and the rest.
struct BlockQ5_0 {
  static constexpr int length = 32, bytes = 22, offset = 16, alignment = 2;
  static constexpr bool has_minimum = false, has_half_scales = false;

  static __device__ __forceinline__ uint32_t codes(const uint8_t* block, int, int quad) {
    const uint32_t low = block_bits::read32(block + 6 + quad % 4 * 4) >> (quad & 4) & 0x0f0f0f0fu;
    return low | block_bits::spread_bits(block_bits::read32(block + 2) >> quad * 4 & 0xf);
  }
  static __device__ __forceinline__ BlockFactors factors(const uint8_t* block, int, int) {
    return {block_bits::half_to_float(block_bits::read16(block)), 0.0f};
  }
};

/// A float16 scale, then signed bytes.
struct BlockQ8_0 {
  static constexpr int length = 32, bytes = 34, offset = 128, alignment = 2;
  static constexpr bool has_minimum = false, has_half_scales = false;

  static __device__ __forceinline__ uint32_t codes(const uint8_t* block, int, int quad) {
    return block_bits::read32(block + 2 + quad * 4) ^ 0x80808080u;
  }
  static __device__ __forceinline__ BlockFactors factors(const uint8_t* block, int, int) {
    return {block_bits::half_to_float(block_bits::read16(block)), 0.0f};
  }
};

/// Groups with 6-bit scales and minima: two float16 factors of them all, 12 bytes of both, then codes: those of groups 2j
/// and 2j + 1 share 32 bytes. With 5 bits, the fifth bit of group g is bit g of 32 bytes before them.
template <int Bits>
struct BlockWithMinima {
  static constexpr int length = 256, bytes = Bits == 5 ? 176 : 144, offset = 0, alignment = 16;
  static constexpr bool has_minimum = true, has_half_scales = false;

  static __device__ __forceinline__ uint32_t codes(const uint8_t* block, int group, int quad) {
    const uint8_t* low = block + (Bits == 5 ? 48 : 16) + group / 2 * 32 + quad * 4;
    const uint32_t codes = block_bits::read32_aligned(low) >> group % 2 * 4 & 0x0f0f0f0fu;
    if constexpr (Bits == 4) return codes;
    return codes | (block_bits::read32_aligned(block + 16 + quad * 4) >> group & 0x01010101u) << 4;
  }
  static __device__ __forceinline__ BlockFactors factors(const uint8_t* block, int group, int) {
    const uint4 head = *reinterpret_cast<const uint4*>(block);
    const bool first = group < 4;
    const uint32_t scales = first ? head.y & 0x3f3f3f3fu : (head.w & 0x0f0f0f0fu) | (head.y >> 2 & 0x30303030u);
    const uint32_t minima = first ? head.z & 0x3f3f3f3fu : (head.w >> 4 & 0x0f0f0f0fu) | (head.z >> 2 & 0x30303030u);
    return {block_bits::half_to_float(head.x) * byte_to_float(scales, group % 4),
            block_bits::half_to_float(head.x >> 16) * byte_to_float(minima, group % 4)};
  }
};
using BlockQ4_K = BlockWithMinima<4>;
using BlockQ5_K = BlockWithMinima<5>;

/// Low 4 bits, high 2 bits, a signed byte of scale per half group, the float16 factor of these. Each half of the block
/// uses half of the bytes.
struct BlockQ6_K {
  static constexpr int length = 256, bytes = 210, offset = 32, alignment = 2;
  static constexpr bool has_minimum = false, has_half_scales = true;

  static __device__ __forceinline__ uint32_t codes(const uint8_t* block, int group, int quad) {
    const int half = group / 4;
    const int quarter = group % 4;
    const uint32_t low = block_bits::read32(block + half * 64 + quarter % 2 * 32 + quad * 4);
    const uint32_t high = block_bits::read32(block + 128 + half * 32 + quad * 4);
    return (low >> quarter / 2 * 4 & 0x0f0f0f0fu) | (high >> quarter * 2 & 0x03030303u) << 4;
  }
  static __device__ __forceinline__ BlockFactors factors(const uint8_t* block, int group, int half) {
    const auto scale = static_cast<int8_t>(block[192 + group * 2 + half]);
    return {block_bits::half_to_float(block_bits::read16(block + 208)) * float(scale), 0.0f};
  }
};

/// Calls `body` with the tag of a block type.
template <typename Body>
void with_block_type(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::q4_0: return body(TypeTag<BlockQ4_0>{});
    case ElementType::q5_0: return body(TypeTag<BlockQ5_0>{});
    case ElementType::q8_0: return body(TypeTag<BlockQ8_0>{});
    case ElementType::q4_k: return body(TypeTag<BlockQ4_K>{});
    case ElementType::q5_k: return body(TypeTag<BlockQ5_K>{});
    case ElementType::q6_k: return body(TypeTag<BlockQ6_K>{});
    default: throw DeviceError("ERR_DTYPE", "expected a block type, received type " + std::to_string(int(type)));
  }
}

}  // namespace attention
