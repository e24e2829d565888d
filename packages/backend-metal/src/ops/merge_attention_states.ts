import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { mergeAttentionStatesOp } from '@attention-js/core';
import type { OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;

const kernel = shaderKernel(
  'merge_attention_states',
  ['outputs', 'lses', 'sinks?', 'output', 'lse?'],
  paramsTable('MergeParams', { parts: 'int32', rows: 'int32', heads: 'int32', headSize: 'int32' }),
);

/** Attention over disjoint parts of the keys, to be merged. */
export interface AttentionStates {
  /** `[parts, tokens, heads, headSize]`. */
  outputs: TensorInfo;
  /** `[parts, tokens, heads]` float32. */
  lses: TensorInfo;
  /** `[heads]` float32: sinks not yet included in any part. */
  sinks?: TensorInfo;
}

/** Merges states into tensors of `specs`: the output and, if there are two, the log-sum-exp. */
export function mergeStates(
  backend: MetalBackend,
  { outputs, lses, sinks }: AttentionStates,
  specs: OutputSpec[],
): TensorInfo[] {
  const merged = specs.map((spec) => backend.makeOutput(spec));
  const [output, lse] = merged;
  const [parts, tokens, heads, headSize] = outputs.shape;
  const rows = sizeOf([tokens, heads]);
  backend.run(
    kernel,
    { outputs, lses, sinks, output, lse },
    { parts, rows, heads, headSize },
    {
      variant: `${backend.mslType(outputs)}_${backend.mslType(output)}`,
      constants: { has_sinks: sinks !== undefined, has_lse: lse !== undefined },
      threadgroups: [rows, 1, 1],
      threads: [SIMD_WIDTH, 1, 1],
    },
  );
  return merged;
}

metalKernel(mergeAttentionStatesOp, ({ inputs, outputs, backend }) => mergeStates(backend, inputs, outputs));
