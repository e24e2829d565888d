/**
 * JavaScript's share of a decode step on `cuda`: the ops of a Llama layer on a batch of no tokens, for which nothing is
 * launched. This leaves tfjs, our checks and the calls into native code. Runs on the emulator, which must have been
 * built.
 */
import * as tf from '@attention-js/core/tf';
import { median } from './support/median.ts';

const LAYERS = 32;
const STEPS = 300;
const [HIDDEN, HEADS, KV_HEADS, HEAD_SIZE, INTERMEDIATE, BLOCK_SIZE] = [512, 8, 2, 64, 1024, 16];

process.env.ATTENTION_CUDA_EMULATOR = '1';
await import('@attention-js/backend-cuda');
tf.enableProdMode();
await tf.setBackend('cuda');

const ints = (shape: number[]): tf.Tensor => tf.tensor([], shape, 'int32');
const [normWeight, qkvWeight, outWeight] = [[HIDDEN], [768, HIDDEN], [HIDDEN, HIDDEN]].map((shape) =>
  tf.ones(shape),
);
const [gateUpWeight, downWeight] = [
  [2 * INTERMEDIATE, HIDDEN],
  [HIDDEN, INTERMEDIATE],
].map((shape) => tf.ones(shape));
const [keyCache, valueCache] = [0, 1].map(() => tf.zeros([4, BLOCK_SIZE, KV_HEADS, HEAD_SIZE]));
const [cos, sin] = [0, 1].map(() => tf.zeros<tf.Rank.R2>([64, HEAD_SIZE / 2]));
const [x, gateUp, down] = [HIDDEN, 2 * INTERMEDIATE, INTERMEDIATE].map((width) =>
  tf.zeros<tf.Rank.R2>([0, width]),
);
const [query, key, value] = [HEADS, KV_HEADS, KV_HEADS].map((n) => tf.zeros<tf.Rank.R3>([0, n, HEAD_SIZE]));
const positions = ints([0]) as tf.Tensor1D;
const metadata = { blockTables: ints([0, 4]) as tf.Tensor2D, contextLens: positions, maxContextLen: 64 };

const ops: Record<string, () => tf.Tensor | tf.Tensor[] | void> = {
  rmsNorm: () => tf.rmsNorm(x, normWeight, { epsilon: 1e-5, residual: x }),
  'linear qkv': () => tf.linear(x, qkvWeight),
  rotaryEmbedding: () => tf.rotaryEmbedding(query, key, positions, cos, sin),
  reshapeAndCache: () => tf.reshapeAndCache(key, value, keyCache, valueCache, positions),
  pagedAttention: () => tf.pagedAttention(query, keyCache, valueCache, metadata),
  'linear out': () => tf.linear(x, outWeight),
  'rmsNorm again': () => tf.rmsNorm(x, normWeight, { epsilon: 1e-5, residual: x }),
  'linear gate and up': () => tf.linear(x, gateUpWeight),
  siluAndMul: () => tf.siluAndMul(gateUp),
  'linear down': () => tf.linear(down, downWeight),
};

/** Microseconds per call of `run`. */
function time(run: () => void, calls: number): number {
  const samples = Array.from({ length: STEPS }, () => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) run();
    return ((performance.now() - start) * 1000) / calls;
  });
  return median(samples.slice(STEPS / 3)); // the first third warms up the JIT compiler
}

const call = (op: () => tf.Tensor | tf.Tensor[] | void): void => {
  const outputs = op();
  if (outputs) tf.dispose(outputs);
};
for (const [name, op] of Object.entries(ops)) {
  console.log(`  ${name.padEnd(20)} ${time(() => call(op), LAYERS).toFixed(2)} us`);
}
const layer = (): void => Object.values(ops).forEach(call);
const layerTime = time(layer, LAYERS);
console.log(`  a layer of ${Object.keys(ops).length} ops   ${layerTime.toFixed(1)} us`);
console.log(`  a step of ${LAYERS} layers ${((layerTime * LAYERS) / 1000).toFixed(2)} ms of JavaScript`);
