import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensor, CpuTensors } from '../cpu_kernel.ts';
import { attention } from './attention.cpu.ts';
import type { AttentionSequence, GatherKeyValue } from './attention.cpu.ts';
import { cacheLayout, headAddress } from './cache_layout.ts';
import type { CacheStrides } from './cache_layout.ts';
import type { PagedAttentionAttributes, PagedAttentionInputs } from './paged_attention.ts';
import { checkCuSeqlens } from './query_ranges.cpu.ts';

const checks = new Checks('pagedAttention');

export const pagedAttentionCpu = cpuKernel<PagedAttentionInputs, PagedAttentionAttributes>(
  (inputs, attrs, [output, lse]) => {
    checkPagedAttentionValues(inputs, attrs);
    const { scale, causal, softcap, slidingWindow } = attrs;
    const { query, keyCache, valueCache, alibiSlopes, sinks } = inputs;
    const { numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
    const problem = {
      query: query.values as Float32Array,
      numHeads: query.shape[1],
      numKvHeads,
      headSize,
      sequences: sequencesOf(inputs),
      gather: gatherFromBlocks(inputs),
      scale,
      causal,
      softcap,
      slidingWindow: slidingWindow || Number.POSITIVE_INFINITY,
      alibiSlopes: alibiSlopes?.values,
      sinks: sinks?.values,
    };
    attention(problem, output as Float32Array, lse as Float32Array | undefined);
  },
);

type Inputs = CpuTensors<PagedAttentionInputs>;

function sequencesOf({ contextLens, cuSeqlensQ }: Inputs): AttentionSequence[] {
  const starts = cuSeqlensQ?.values;
  return Array.from(contextLens.values, (contextLength, i) => ({
    queryStart: starts ? starts[i] : i,
    queryLength: starts ? starts[i + 1] - starts[i] : 1,
    contextLength,
  }));
}

/** Checks that lengths fit the rows and the table, and that every table entry in use is in the cache. */
export function checkPagedAttentionValues(
  inputs: Inputs,
  { slidingWindow }: Pick<PagedAttentionAttributes, 'slidingWindow'>,
): void {
  const { query, cuSeqlensQ, blockTables, keyCache, valueCache } = inputs;
  if (cuSeqlensQ) checkCuSeqlens(checks, 'cuSeqlensQ', cuSeqlensQ.values, query.shape[0]);
  const { blockSize, numBlocks } = cacheLayout(keyCache, valueCache);
  const maxBlocks = blockTables.shape[1];
  const blocks = blockTables.values;
  sequencesOf(inputs).forEach(({ queryLength, contextLength }, i) => {
    checkContextLength(i, contextLength, queryLength, maxBlocks * blockSize);
    if (queryLength === 0) return;
    const oldestKey = slidingWindow ? Math.max(0, contextLength - queryLength + 1 - slidingWindow) : 0;
    for (let index = Math.floor(oldestKey / blockSize); index * blockSize < contextLength; index++) {
      const block = blocks[i * maxBlocks + index];
      if (block >= 0 && block < numBlocks) continue;
      checks.fail('ERR_RANGE', `blockTables[${i}, ${index}]`, `0 to ${numBlocks - 1}`, block);
    }
  });
}

function checkContextLength(
  sequence: number,
  contextLength: number,
  queryLength: number,
  capacity: number,
): void {
  const fail = (expected: string) =>
    checks.fail('ERR_RANGE', `contextLens[${sequence}]`, expected, contextLength);
  if (!(contextLength >= 0 && contextLength <= capacity)) {
    fail(`0 to ${capacity}, the slots of blockTables[${sequence}]`);
  }
  if (contextLength !== 0 && contextLength < queryLength) {
    fail(
      `0, or at least ${queryLength}, the sequence's query rows (the context length includes this step's tokens)`,
    );
  }
}

/** Gathers the keys and values of a sequence through its row of the block table, slot by slot. */
function gatherFromBlocks({ keyCache, valueCache, blockTables }: Inputs): GatherKeyValue {
  const { blockSize, headSize, key, value } = cacheLayout(keyCache, valueCache);
  const maxBlocks = blockTables.shape[1];
  return (sequence, kvHead, from, to, keys, values) => {
    for (let position = from; position < to; position++) {
      const block = blockTables.values[sequence * maxBlocks + Math.floor(position / blockSize)];
      const slot = block * blockSize + (position % blockSize);
      const target = (position - from) * headSize;
      copyHead(keyCache, key, headAddress(key, blockSize, slot, kvHead), headSize, keys, target);
      copyHead(valueCache, value, headAddress(value, blockSize, slot, kvHead), headSize, values, target);
    }
  };
}

function copyHead(
  { values }: CpuTensor,
  { chunkSize, chunk, element }: CacheStrides,
  source: number,
  headSize: number,
  target: Float64Array,
  offset: number,
): void {
  for (let d = 0; d < headSize; d += chunkSize, source += chunk) {
    for (let i = 0, from = source; i < chunkSize; i++, from += element) target[offset + d + i] = values[from];
  }
}
