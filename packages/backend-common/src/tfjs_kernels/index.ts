import { argReduceKernels } from './arg_reduce.ts';
import { binaryKernels } from './binary.ts';
import { castKernels } from './cast.ts';
import { concatKernels } from './concat.ts';
import { cumulateKernels } from './cumulate.ts';
import { einsumKernels } from './einsum.ts';
import { fillKernels } from './fill.ts';
import { gatherKernels } from './gather.ts';
import { matMulKernels } from './matmul.ts';
import { multinomialKernels } from './multinomial.ts';
import { oneHotKernels } from './one_hot.ts';
import { padKernels } from './pad.ts';
import { reduceKernels } from './reduce.ts';
import { scatterKernels } from './scatter.ts';
import { selectKernels } from './select.ts';
import { sliceKernels } from './slice.ts';
import { softmaxKernels } from './softmax.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';
import { topKKernels } from './top_k.ts';
import { transposeKernels } from './transpose.ts';
import { unaryKernels } from './unary.ts';

/** The device kernels that replace tfjs's `cpu` kernels. */
export const tfjsKernels: readonly TfjsKernel[] = [
  argReduceKernels,
  binaryKernels,
  castKernels,
  concatKernels,
  cumulateKernels,
  einsumKernels,
  fillKernels,
  gatherKernels,
  matMulKernels,
  multinomialKernels,
  oneHotKernels,
  padKernels,
  reduceKernels,
  scatterKernels,
  selectKernels,
  sliceKernels,
  softmaxKernels,
  topKKernels,
  transposeKernels,
  unaryKernels,
].flat();
