import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, countOf, describe } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { checkBlockPairs, checkIndependent, independentRuns } from './block_pairs.ts';
import type { BlockPairsAttributes } from './block_pairs.ts';
import { checkCacheLayout } from './cache_layout.ts';
import { copyBlocksCpu } from './copy_blocks.cpu.ts';

/** Inputs of {@link copyBlocksOp} by name: the caches of one layer. */
export interface CopyBlocksInputs {
  /** Layout `flash` or `vllm`, see `cacheLayout`; its destination blocks are overwritten. */
  keyCache: TensorInfo;
  /** Layout and storage type of `keyCache`; its destination blocks are overwritten. */
  valueCache: TensorInfo;
}

const checks = new Checks('copyBlocks');

/**
 * The op behind {@link copyBlocks}, for packages that add a kernel: copies within the caches of one layer, in any order,
 * because no block that is written to is in another of the op's `pairs`.
 */
export const copyBlocksOp = defineCoreOp<CopyBlocksInputs, BlockPairsAttributes>({
  name: 'CopyBlocks',
  check({ keyCache, valueCache }, { pairs }) {
    const { numBlocks } = checkCacheLayout(checks, keyCache, valueCache);
    checkBlockPairs(checks, pairs, numBlocks, numBlocks);
    checkIndependent(checks, pairs, true);
  },
  outputs: () => [],
  mutates: ['keyCache', 'valueCache'],
  kernels: { cpu: copyBlocksCpu },
});

/**
 * Copies blocks within the caches of all layers, **in place**: copy-on-write for sequences that share blocks.
 *
 * @param keyCaches Key cache of each layer, all of the same shape, in layout `flash` or `vllm` (see `reshapeAndCache`).
 * @param valueCaches Value cache of each layer.
 * @param pairs Source block, destination block, source block, … The result is as if the pairs were copied one after
 * another: a destination may be the source of a later pair.
 * @throws AttentionError `ERR_DTYPE` if `pairs` is not an `Int32Array`, `ERR_SHAPE` if its length is odd or layers differ,
 * `ERR_RANGE` for a block outside the cache, `ERR_UNSUPPORTED` while a gradient is recorded, for caches that share their
 * data, and for a cache on another backend. If it throws, nothing was copied.
 * @see vLLM's `copy_blocks`.
 */
export function copyBlocks(
  keyCaches: readonly Tensor[],
  valueCaches: readonly Tensor[],
  pairs: Int32Array,
): void {
  checkLayers(keyCaches, valueCaches);
  if (keyCaches.length === 0) return;
  checkBlockPairs(checks, pairs, keyCaches[0].shape[0], keyCaches[0].shape[0]);
  const runs = independentRuns(pairs, true);
  const layers = keyCaches.map((keyCache, layer) => ({ keyCache, valueCache: valueCaches[layer] }));
  for (const layer of layers) copyBlocksOp.check(layer, { pairs: runs[0] });
  for (const run of runs) {
    for (const layer of layers) copyBlocksOp(layer, { pairs: run });
  }
}

/** Checks what {@link copyBlocksOp} cannot: that the layers are alike. */
function checkLayers(keyCaches: readonly Tensor[], valueCaches: readonly Tensor[]): void {
  const lists = { keyCaches, valueCaches };
  for (const [name, caches] of Object.entries(lists)) {
    checks.expect(Array.isArray(caches), 'ERR_DTYPE', name, 'an array of Tensors', describe(caches));
    caches.forEach((cache, layer) => {
      checks.tensor(`${name}[${layer}]`, cache);
      checks.shape(`${name}[${layer}]`, cache, caches[0].shape, ' to match the first layer');
      checks.sameStorage(`${name}[${layer}]`, cache, 'the first layer', caches[0]);
    });
  }
  const [expected, received] = [keyCaches.length, valueCaches.length];
  checks.expect(
    received === expected,
    'ERR_SHAPE',
    'valueCaches',
    `${countOf(expected, 'layer')} to match keyCaches`,
    received,
  );
}
