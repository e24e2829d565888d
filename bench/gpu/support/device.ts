import { readFile } from 'node:fs/promises';
import { int64 } from '@attention-js/backend-cuda';
import type { CudaBackend } from '@attention-js/backend-cuda';
import * as tf from '@attention-js/core/tf';
import { median } from '../../support/median.ts';

await tf.setBackend('cuda');
tf.enableProdMode();
tf.env().set('CUDA_CPU_FALLBACK', 'error');

/** The measured backend. */
export const cuda = tf.engine().backend as CudaBackend;

/** Filling this tensor keeps the GPU busy while JavaScript queues the measured calls. */
const busyWork = tf.keep(tf.zerosWithStorage([2 ** 31], 'bfloat16'));

/**
 * Milliseconds of GPU time per call, without JavaScript's launch overhead: the median of `samples` series of calls.
 * `call` receives its index, to rotate through inputs; the tensors that it makes are disposed.
 */
export async function deviceTime(
  call: (index: number) => void,
  { calls = 20, samples = 5 }: { calls?: number; samples?: number } = {},
): Promise<number> {
  const times: number[] = [];
  for (let sample = 0; sample <= samples; sample++) {
    cuda.fill(busyWork, sample);
    const { kernelMs } = await cuda.time(() => {
      for (let i = 0; i < calls; i++) tf.tidy(() => call(i));
    });
    if (sample > 0) times.push(kernelMs / calls); // the first series warms up
  }
  return median(times);
}

/** A tensor of normally distributed numbers on the GPU: one random block, repeated. */
export function randomTensor(shape: number[], storage: tf.StorageType = 'bfloat16', scale = 1): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tidy(() => {
    const block = tf.castStorage(tf.randomNormal([Math.min(size, 2 ** 20 - 3)], 0, scale), storage);
    const repeated = tf.tile(block, [Math.ceil(size / block.size)]);
    return tf.keep(tf.reshape(tf.slice(repeated, 0, size), shape));
  });
}

/** The machine's measured limits, to compare with. */
export interface Ceilings {
  /** Read bandwidth in TB/s. */
  read: number;
  /** Copy bandwidth in TB/s, counting bytes read and written. */
  copy: number;
  /** TFLOP/s of an 8192 x 8192 x 8192 bfloat16 product. */
  matmul: number;
}

const source = (file: string): URL => new URL(`../../../../../bench/gpu/support/${file}`, import.meta.url);
const plainAccess = cuda.loadModule(await readFile(source('plain_access.ptx')));

/** Copies `bytes` from one tensor to another, 16 per thread: the baseline for memory-bound kernels. */
export function plainCopy(from: tf.Tensor, to: tf.Tensor, bytes: number): void {
  const count = bytes / 16;
  plainAccess.launch('copy_all', {
    grid: Math.ceil(count / 256),
    block: 256,
    args: [from, to, int64(count)],
  });
}

/** Measures the machine's limits. */
export async function measureCeilings(): Promise<Ceilings> {
  const bytes = 2 * busyWork.size;
  const target = tf.zerosWithStorage([busyWork.size], 'bfloat16');
  const read = { grid: 132 * 16, block: 256, args: [busyWork, target, int64(bytes / 16)] };
  const readMs = await deviceTime(() => plainAccess.launch('read_all', read), { calls: 4 });
  const copyMs = await deviceTime(() => plainCopy(busyWork, target, bytes), { calls: 4 });
  target.dispose();
  const [a, b] = [randomTensor([8192, 8192]), randomTensor([8192, 8192])];
  const matmulMs = await deviceTime(() => void tf.linear(a, b), { calls: 5 });
  tf.dispose([a, b]);
  return {
    read: bytes / readMs / 1e9,
    copy: (2 * bytes) / copyMs / 1e9,
    matmul: (2 * 8192 ** 3) / matmulMs / 1e9,
  };
}
