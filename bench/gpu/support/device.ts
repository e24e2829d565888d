import { readFile } from 'node:fs/promises';
import { int64 } from '@attention-js/backend-cuda';
import type { CudaBackend } from '@attention-js/backend-cuda';
import * as tf from '@attention-js/core/tf';
import { median } from '../../support/median.ts';

await tf.setBackend('cuda');
tf.enableProdMode();
tf.env().set('CUDA_CPU_FALLBACK', 'error');

/** The backend that is measured. */
export const cuda = tf.engine().backend as CudaBackend;

/** Memory whose filling keeps the GPU busy while JavaScript queues what is measured behind it. */
const busyWork = tf.keep(tf.zerosWithStorage([2 ** 31], 'bfloat16'));

/**
 * Milliseconds that the GPU takes for one call, without the launch overhead of JavaScript: the median of `samples`
 * sequences of calls. `call` gets the number of the call, to take turns with its inputs; what it makes is disposed.
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
    if (sample > 0) times.push(kernelMs / calls); // the first one warms up
  }
  return median(times);
}

/** Random normal numbers on the GPU: one block of them, repeated. */
export function randomTensor(shape: number[], storage: tf.StorageType = 'bfloat16', scale = 1): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tidy(() => {
    const block = tf.castStorage(tf.randomNormal([Math.min(size, 2 ** 20 - 3)], 0, scale), storage);
    const repeated = tf.tile(block, [Math.ceil(size / block.size)]);
    return tf.keep(tf.reshape(tf.slice(repeated, 0, size), shape));
  });
}

/** The machine's limits, measured: what the figures are compared with. */
export interface Ceilings {
  /** TB/s of reading. */
  read: number;
  /** TB/s of copying, bytes read and bytes written added up. */
  copy: number;
  /** TFLOP/s of a bfloat16 product of 8192³. */
  matmul: number;
}

const source = (file: string): URL => new URL(`../../../../../bench/gpu/support/${file}`, import.meta.url);
const plainAccess = cuda.loadModule(await readFile(source('plain_access.ptx')));

/** Copies `bytes` from one tensor to another, 16 of them a thread: what memory-bound kernels are compared with. */
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
