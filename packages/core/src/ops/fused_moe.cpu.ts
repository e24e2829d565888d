import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensors } from '../cpu_kernel.ts';
import { gemmRows } from './gemm_rows.cpu.ts';
import type { FusedMoeAttributes, FusedMoeInputs, MoeActivation } from './fused_moe.ts';
import { gatedActivation, gelu, geluTanh, silu } from './gated_activation.cpu.ts';
import { checkExpertIds, sortPairsByExpert } from './sort_tokens_by_expert.cpu.ts';
import { weightRows } from './weight_rows.cpu.ts';

const checks = new Checks('fusedMoe');

/** Pairs of an expert that are computed at once; limits the memory between the two products. */
const TILE = 64;

const ACTIVATIONS: Record<MoeActivation, (gate: number) => number> = { silu, gelu, gelu_tanh: geluTanh };

export const fusedMoeCpu = cpuKernel<FusedMoeInputs, FusedMoeAttributes>(
  (inputs, { activation }, [output]) => {
    checkFusedMoeValues(inputs);
    const { x, gateUpWeights, downWeights, topkWeights, topkIds } = inputs;
    const [numExperts, hidden, intermediate] = downWeights.shape;
    const topk = topkIds.shape[1];
    const [gateUpRows, downRows] = [weightRows(gateUpWeights), weightRows(downWeights)];
    const pairs = new Int32Array(topkIds.values.length);
    const ends = sortPairsByExpert(topkIds.values, numExperts, pairs);
    const tokens = pairs.map((pair) => Math.floor(pair / topk));

    const tile = Math.min(TILE, pairs.length);
    const tileRows = Int32Array.from({ length: tile }, (_, row) => row);
    const gateUp = new Float32Array(tile * 2 * intermediate);
    const activated = new Float32Array(tile * intermediate);
    const product = new Float32Array(tile * hidden);

    let start = 0;
    ends.forEach((expertEnd, expert) => {
      while (start < expertEnd) {
        const end = Math.min(start + TILE, expertEnd);
        const rows = tileRows.subarray(0, end - start);
        gemmRows({
          input: x.values,
          inputRows: tokens.subarray(start, end),
          weights: gateUpRows,
          matrix: expert,
          inputWidth: hidden,
          outputWidth: 2 * intermediate,
          output: gateUp,
          outputRows: rows,
        });
        gatedActivation(
          { shape: [rows.length, 2 * intermediate], values: gateUp },
          activated.subarray(0, rows.length * intermediate),
          ACTIVATIONS[activation],
        );
        gemmRows({
          input: activated,
          inputRows: rows,
          weights: downRows,
          matrix: expert,
          inputWidth: intermediate,
          outputWidth: hidden,
          output: product,
          outputRows: rows,
        });
        for (const row of rows) {
          const weight = topkWeights.values[pairs[start + row]];
          const out = tokens[start + row] * hidden;
          const from = row * hidden;
          for (let i = 0; i < hidden; i++) output[out + i] += weight * product[from + i];
        }
        start = end;
      }
    });
  },
);

/** Checks that every id is a valid expert. */
export function checkFusedMoeValues({ topkIds, downWeights }: CpuTensors<FusedMoeInputs>): void {
  checkExpertIds(checks, 'topkIds', topkIds.values, downWeights.shape[0]);
}
