import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { checkCacheLayout } from './cache_layout.ts';
import { checkReshapeAndCacheValues, reshapeAndCacheCpu } from './reshape_and_cache.cpu.ts';

/** Inputs of {@link reshapeAndCache} by name. */
export interface ReshapeAndCacheInputs {
  /** `[tokens, kvHeads, headSize]`, float32 or the cache's storage type. */
  key: TensorInfo;
  /** Shape and storage type of `key`. */
  value: TensorInfo;
  /** Layout `flash` or `vllm`, see `cacheLayout`; overwritten in the given slots. */
  keyCache: TensorInfo;
  /** Layout and storage type of `keyCache`; overwritten in the given slots. */
  valueCache: TensorInfo;
  /** Int32 `[tokens]`. */
  slotMapping: TensorInfo;
}

const checks = new Checks('reshapeAndCache');

/** The op behind {@link reshapeAndCache}, for packages that add a kernel. */
export const reshapeAndCacheOp = defineCoreOp<ReshapeAndCacheInputs, object>({
  name: 'ReshapeAndCache',
  check({ key, value, keyCache, valueCache, slotMapping }) {
    const { numKvHeads, headSize } = checkCacheLayout(checks, keyCache, valueCache);
    checks.shape('key', key, ['tokens', numKvHeads, headSize]);
    checks.storage('key', key, 'float32', storageOf(keyCache));
    checks.shape('value', value, key.shape, ' to match key');
    checks.sameStorage('value', value, 'key', key);
    checks.dtype('slotMapping', slotMapping, 'int32');
    checks.shape('slotMapping', slotMapping, [key.shape[0]], ': one slot per token');
  },
  outputs: () => [],
  mutates: ['keyCache', 'valueCache'],
  checkValues: checkReshapeAndCacheValues,
  kernels: { cpu: reshapeAndCacheCpu },
});

/**
 * Stores the keys and values of a step's tokens in their slots of a paged cache, **in place**, rounded to the cache's
 * storage type.
 *
 * @param key `[tokens, kvHeads, headSize]`, float32 or the cache's storage type.
 * @param value Shape and storage type of `key`.
 * @param keyCache `[numBlocks, blockSize, kvHeads, headSize]` (layout `flash`), or
 * `[numBlocks, kvHeads, headSize / x, blockSize, x]` with x = 16 / bytes per element (layout `vllm`).
 * @param valueCache Shape of `keyCache` (`flash`), or `[numBlocks, kvHeads, headSize, blockSize]` (`vllm`).
 * @param slotMapping Int32 `[tokens]`: `block · blockSize + offset` of each token; −1 for a token that is not stored.
 * @throws AttentionError `ERR_SHAPE` and `ERR_DTYPE` for arguments that do not fit; `ERR_UNSUPPORTED` for an unsupported
 * block or head size, for a tensor that shares data with a cache, and while a gradient is recorded; on `cpu`, `ERR_RANGE`
 * for a slot that is outside the cache or has two tokens, before anything is stored. A device does not store tokens whose
 * slot is outside the cache; which of two tokens with the same slot it stores is undefined.
 * @see Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023; vLLM's
 * `reshape_and_cache` and `reshape_and_cache_flash`.
 */
export function reshapeAndCache(
  key: Tensor,
  value: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  slotMapping: Tensor,
): void {
  reshapeAndCacheOp({ key, value, keyCache, valueCache, slotMapping }, {});
}
