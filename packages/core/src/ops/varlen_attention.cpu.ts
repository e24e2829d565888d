import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensor, CpuTensors } from '../cpu_kernel.ts';
import { attention } from './attention.cpu.ts';
import type { AttentionProblem, GatherKeyValue } from './attention.cpu.ts';
import { checkCuSeqlens } from './query_ranges.cpu.ts';
import type { VarlenAttentionAttributes, VarlenAttentionInputs } from './varlen_attention.ts';

const checks = new Checks('varlenAttention');

export const varlenAttentionCpu = cpuKernel<VarlenAttentionInputs, VarlenAttentionAttributes>(
  (inputs, { scale, causal, softcap, slidingWindow }, [output]) => {
    const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask, alibiSlopes, sinks } = inputs;
    checkVarlenAttentionValues(inputs);
    const [queryStarts, keyStarts] = [cuSeqlensQ.values, cuSeqlensK.values];
    const sequences = Array.from(queryStarts.subarray(1), (end, i) => ({
      queryStart: queryStarts[i],
      queryLength: end - queryStarts[i],
      contextLength: keyStarts[i + 1] - keyStarts[i],
    }));
    const problem = {
      query: query.values as Float32Array,
      numHeads: query.shape[1],
      numKvHeads: key.shape[1],
      headSize: key.shape[2],
      sequences,
      gather: gatherFromRows(key, value, keyStarts),
      scale,
      causal,
      softcap,
      slidingWindow: slidingWindow || Number.POSITIVE_INFINITY,
      alibiSlopes: alibiSlopes?.values,
      sinks: sinks?.values,
      bias: attentionMask && biasFrom(attentionMask, keyStarts),
    };
    attention(problem, output as Float32Array);
  },
);

/** Checks that sequence starts do not decrease, starting at 0 and ending within the rows. */
export function checkVarlenAttentionValues(inputs: CpuTensors<VarlenAttentionInputs>): void {
  const { query, key, cuSeqlensQ, cuSeqlensK } = inputs;
  checkCuSeqlens(checks, 'cuSeqlensQ', cuSeqlensQ.values, query.shape[0]);
  checkCuSeqlens(checks, 'cuSeqlensK', cuSeqlensK.values, key.shape[0]);
}

function gatherFromRows(key: CpuTensor, value: CpuTensor, keyStarts: ArrayLike<number>): GatherKeyValue {
  const [, kvHeads, headSize] = key.shape;
  return (sequence, kvHead, from, to, keys, values) => {
    for (let position = from; position < to; position++) {
      const source = ((keyStarts[sequence] + position) * kvHeads + kvHead) * headSize;
      const target = (position - from) * headSize;
      for (let d = 0; d < headSize; d++) {
        keys[target + d] = key.values[source + d];
        values[target + d] = value.values[source + d];
      }
    }
  };
}

/** Reads a mask `[heads, query rows, key rows]`, any dimension of which may be 1 or missing. */
function biasFrom({ shape, values }: CpuTensor, keyStarts: ArrayLike<number>): AttentionProblem['bias'] {
  const [heads, rows, keys] = [1, 1, 1, ...shape].slice(-3);
  const keyStep = keys === 1 ? 0 : 1;
  const rowStep = rows === 1 ? 0 : keys;
  const headStep = heads === 1 ? 0 : rows * keys;
  return (head, row, sequence, key) =>
    values[head * headStep + row * rowStep + (keyStarts[sequence] + key) * keyStep];
}
