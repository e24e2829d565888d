import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineOp } from '../define_op.ts';
import { checkBlockPairs, checkIndependent, independentRuns } from './block_pairs.ts';
import type { BlockPairsAttributes } from './block_pairs.ts';
import { swapBlocksCpu } from './swap_blocks.cpu.ts';

/** Inputs of {@link swapBlocks} by name. */
export interface SwapBlocksInputs {
  /** `[numBlocks, …]`: a key cache or a value cache. */
  source: TensorInfo;
  /** `[numBlocks of its own, …]`, its blocks of the shape and storage type of the source's; overwritten. */
  destination: TensorInfo;
}

const checks = new Checks('swapBlocks');

/**
 * The op behind {@link swapBlocks}, for packages that bring a kernel: copies in any order, for each destination block is
 * in the op's `pairs` once.
 */
export const swapBlocksOp = defineOp<SwapBlocksInputs, BlockPairsAttributes>({
  name: 'SwapBlocks',
  check({ source, destination }, { pairs }) {
    checks.dtype('source', source, 'float32');
    checks.sameStorage('destination', destination, 'source', source);
    checks.shapeThat(source.shape.length > 0, 'source', source, 'shape [numBlocks, …]');
    checks.shape(
      'destination',
      destination,
      ['numBlocks', ...source.shape.slice(1)],
      ': the blocks of source',
    );
    if (source.dataId === destination.dataId) {
      checks.fail('ERR_UNSUPPORTED', 'destination', 'another cache than source', 'the same; see copyBlocks');
    }
    checkBlockPairs(checks, pairs, source.shape[0], destination.shape[0]);
    checkIndependent(checks, pairs, false);
  },
  outputs: () => [],
  mutates: ['destination'],
  kernels: { cpu: swapBlocksCpu },
});

/**
 * Copies blocks of one cache tensor to another one, **in place**: between a device cache and a host cache of the same
 * backend (`zerosWithStorage(shape, storage, {memory: 'host'})`), to make room for other sequences and to bring them back.
 *
 * @param src Key or value cache of a layer, `[numBlocks, …]`, float32 in any storage type.
 * @param dst Cache with the same block shape and storage type; the number of blocks may differ.
 * @param pairs Block of `src`, block of `dst`, block of `src`, … Of two pairs with one destination the later counts.
 * @throws AttentionError `ERR_DTYPE` when `pairs` is no `Int32Array` or the storage types differ, `ERR_SHAPE` when its
 * length is odd or the block shapes differ, `ERR_RANGE` for a block outside its cache, `ERR_UNSUPPORTED` while a gradient
 * is recorded and when `src` and `dst` share their data. Nothing was copied then.
 * @see vLLM's `swap_blocks`.
 */
export function swapBlocks(src: Tensor, dst: Tensor, pairs: Int32Array): void {
  const runs = pairs instanceof Int32Array ? independentRuns(pairs, false) : [pairs];
  for (const run of runs) swapBlocksOp({ source: src, destination: dst }, { pairs: run });
}
