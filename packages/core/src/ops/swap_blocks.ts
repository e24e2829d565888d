import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { checkBlockPairs, checkIndependent, independentRuns } from './block_pairs.ts';
import type { BlockPairsAttributes } from './block_pairs.ts';
import { swapBlocksCpu } from './swap_blocks.cpu.ts';

/** Inputs of {@link swapBlocks} by name. */
export interface SwapBlocksInputs {
  /** `[numBlocks, …]`: a key cache or a value cache. */
  source: TensorInfo;
  /** `[its own numBlocks, …]`; blocks have the shape and storage type of the source's; overwritten. */
  destination: TensorInfo;
}

const checks = new Checks('swapBlocks');

function checkCaches(source: TensorInfo, destination: TensorInfo): void {
  checks.dtype('source', source, 'float32');
  checks.sameStorage('destination', destination, 'source', source);
  checks.expectShape(source.shape.length > 0, 'source', source, 'shape [numBlocks, …]');
  checks.shape(
    'destination',
    destination,
    ['numBlocks', ...source.shape.slice(1)],
    ' to match the blocks of source',
  );
  if (source.dataId === destination.dataId) {
    checks.fail(
      'ERR_UNSUPPORTED',
      'destination',
      'a cache other than source',
      'the same cache; use copyBlocks',
    );
  }
}

/**
 * The op behind {@link swapBlocks}, for packages that add a kernel: copies in any order, because each destination
 * block is in the op's `pairs` only once.
 */
export const swapBlocksOp = defineCoreOp<SwapBlocksInputs, BlockPairsAttributes>({
  name: 'SwapBlocks',
  check({ source, destination }, { pairs }) {
    checkCaches(source, destination);
    checkBlockPairs(checks, pairs, source.shape[0], destination.shape[0]);
    checkIndependent(checks, pairs, false);
  },
  outputs: () => [],
  mutates: ['destination'],
  kernels: { cpu: swapBlocksCpu },
});

/**
 * Copies blocks of one cache tensor to another, **in place**: between a device cache and a host cache of the same backend
 * (`zerosWithStorage(shape, storage, {memory: 'host'})`), to swap sequences out and back in.
 *
 * @param source Key or value cache of a layer, `[numBlocks, …]`, float32 in any storage type.
 * @param destination Cache with the same block shape and storage type; the number of blocks may differ.
 * @param pairs Block of `source`, block of `destination`, block of `source`, … If two pairs have the same
 * destination, the later one wins.
 * @throws AttentionError `ERR_DTYPE` if `pairs` is not an `Int32Array` or the storage types differ, `ERR_SHAPE` if its
 * length is odd or the block shapes differ, `ERR_RANGE` for a block outside its cache, `ERR_UNSUPPORTED` while a gradient
 * is recorded, and if `source` and `destination` share their data. If it throws, nothing was copied.
 * @see vLLM's `swap_blocks`.
 */
export function swapBlocks(source: Tensor, destination: Tensor, pairs: Int32Array): void {
  checks.tensor('source', source);
  checks.tensor('destination', destination);
  checkCaches(source, destination);
  checkBlockPairs(checks, pairs, source.shape[0], destination.shape[0]); // checks all pairs before the first run is copied
  for (const run of independentRuns(pairs, false)) swapBlocksOp({ source, destination }, { pairs: run });
}
