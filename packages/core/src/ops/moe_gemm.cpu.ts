import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensors } from '../cpu_kernel.ts';
import { gemmRows } from './gemm_rows.cpu.ts';
import type { MoeGemmAttributes, MoeGemmInputs } from './moe_gemm.ts';
import { weightRows } from './weight_rows.cpu.ts';

const checks = new Checks('moeGemm');

export const moeGemmCpu = cpuKernel<MoeGemmInputs, MoeGemmAttributes>((inputs, { topk, input }, [output]) => {
  checkMoeGemmValues(inputs);
  const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
  const [, outputWidth, inputWidth] = weights.shape;
  const rows = weightRows(weights);
  const pairs = sortedTokenIds.values as Int32Array;
  const experts = expertIds.values as Int32Array;
  const inputRows = input === 'pairs' ? pairs : pairs.map((pair) => Math.floor(pair / topk));

  for (let start = 0, end = 0; start < pairs.length; start = end) {
    const expert = experts[start];
    while (end < pairs.length && experts[end] === expert) end++;
    gemmRows({
      input: x.values,
      inputRows: inputRows.subarray(start, end),
      weights: rows,
      matrix: expert,
      inputWidth,
      outputWidth,
      output,
      outputRows: pairs.subarray(start, end),
    });
  }
  topkWeights?.values.forEach((weight, pair) => {
    for (let i = pair * outputWidth; i < (pair + 1) * outputWidth; i++) output[i] *= weight;
  });
});

/** Checks that every pair occurs exactly once, and that expert ids are valid and ascending. */
export function checkMoeGemmValues({ weights, sortedTokenIds, expertIds }: CpuTensors<MoeGemmInputs>): void {
  const pairs = sortedTokenIds.values as Int32Array;
  const experts = expertIds.values as Int32Array;
  const [numExperts] = weights.shape;
  const seen = new Uint8Array(pairs.length);
  pairs.forEach((pair, i) => {
    if (seen[pair] !== 0) {
      const expected = `each of 0..${pairs.length - 1} exactly once`;
      checks.fail('ERR_RANGE', 'sortedTokenIds', expected, `${pair} at ${i}`);
    }
    seen[pair] = 1;
  });
  experts.forEach((expert, i) => {
    if (!(expert >= (experts[i - 1] ?? 0) && expert < numExperts)) {
      const expected = `expert ids >= 0 and < ${numExperts}, ascending`;
      checks.fail('ERR_RANGE', 'expertIds', expected, `${expert} at ${i}`);
    }
  });
}
