import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensor, CpuTensors } from '../cpu_kernel.ts';
import type { RotaryEmbeddingAttributes, RotaryEmbeddingInputs } from './rotary_embedding.ts';

const checks = new Checks('rotaryEmbedding');

export const rotaryEmbeddingCpu = cpuKernel<RotaryEmbeddingInputs, RotaryEmbeddingAttributes>(
  (inputs, attrs, [query, key]) => {
    checkRotaryEmbeddingValues(inputs);
    rotate(inputs.query, inputs, attrs, query);
    rotate(inputs.key, inputs, attrs, key);
  },
);

/** Checks that every position has a row in the tables. */
export function checkRotaryEmbeddingValues(inputs: CpuTensors<RotaryEmbeddingInputs>): void {
  const positions = inputs.positions.values;
  const [maxPosition] = inputs.cos.shape;
  for (let token = 0; token < positions.length; token++) {
    const position = positions[token];
    if (position >= 0 && position < maxPosition) continue;
    checks.fail(
      'ERR_RANGE',
      `positions[${token}]`,
      `a row >= 0 and < ${maxPosition} of cos and sin`,
      position,
    );
  }
}

/** Rotates each head of `x` `[tokens, heads, headSize]` into `output`. */
function rotate(
  x: CpuTensor,
  { positions, cos, sin }: CpuTensors<RotaryEmbeddingInputs>,
  { interleaved, rotaryDim }: RotaryEmbeddingAttributes,
  output: Float32Array | Int32Array,
): void {
  const [tokens, heads, headSize] = x.shape;
  const numPairs = rotaryDim / 2;
  const [step, distance] = interleaved ? [2, 1] : [1, numPairs];
  output.set(x.values);
  for (let token = 0; token < tokens; token++) {
    const row = positions.values[token] * numPairs;
    for (let head = token * heads; head < (token + 1) * heads; head++) {
      for (let pair = 0; pair < numPairs; pair++) {
        const first = head * headSize + pair * step;
        const second = first + distance;
        const c = cos.values[row + pair];
        const s = sin.values[row + pair];
        const a = x.values[first];
        const b = x.values[second];
        output[first] = a * c - b * s;
        output[second] = b * c + a * s;
      }
    }
  }
}
