export { siluAndMul, siluAndMulOp } from './silu_and_mul.ts';
export type { SiluAndMulInputs } from './silu_and_mul.ts';
export { cacheLayout, checkCacheLayout, checkHeadSize, elementOffset, headAddress } from './cache_layout.ts';
export type { CacheLayout, CacheStrides } from './cache_layout.ts';
