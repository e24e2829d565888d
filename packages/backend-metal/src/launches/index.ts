import type { Launches } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { argReduce } from './arg_reduce.ts';
import { binary } from './binary.ts';
import { copy } from './copy.ts';
import { cumulate } from './cumulate.ts';
import { fill } from './fill.ts';
import { gather } from './gather.ts';
import { MAX_BATCH_RANK, matMul } from './matmul.ts';
import { multinomial } from './multinomial.ts';
import { oneHot } from './one_hot.ts';
import { reduce } from './reduce.ts';
import { scatter } from './scatter.ts';
import { select } from './select.ts';
import { softmax } from './softmax.ts';
import { MAX_K, topK } from './top_k.ts';
import { unary } from './unary.ts';

/** Most axes that shaders index; as in strides.h. */
const MAX_RANK = 6;

/** Tan, near whose poles float32 is too far from what tfjs's own tests ask for. */
export const LEFT_TO_CPU: readonly string[] = ['Tan'];

/** Shaders that tfjs's kernels are made of. */
export const launches: Launches<MetalBackend> = {
  limits: {
    rank: MAX_RANK,
    batchRank: MAX_BATCH_RANK,
    size: 2 ** 31, // shaders count with 32 bits
    topK: MAX_K,
    indexAxes: 1,
    transposeA: false,
  },
  argReduce,
  binary,
  copy,
  cumulate,
  fill,
  gather,
  matMul,
  multinomial,
  oneHot,
  reduce,
  scatter,
  select,
  softmax,
  topK,
  unary,
};
