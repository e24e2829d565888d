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

/** The most axes that shaders support, as in strides.h. */
const MAX_RANK = 6;

/** Kernels left on the CPU: near its poles, tan in float32 is less accurate than tfjs's tests allow. */
export const CPU_ONLY_KERNELS: readonly string[] = ['Tan'];

/** The launches from which backend-common builds tfjs's kernels. */
export const launches: Launches<MetalBackend> = {
  limits: {
    rank: MAX_RANK,
    batchRank: MAX_BATCH_RANK,
    size: 2 ** 31, // shaders use 32-bit indices
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
