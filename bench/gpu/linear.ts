/** Projections of an 8B Llama with quantized weights, beside bfloat16 in the same run. */
import * as tf from '@attention-js/core/tf';
import { deviceTime, measureCeilings, randomTensor } from './support/device.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

const SHAPES = [
  { name: '14336 x 4096', outputs: 14_336, inputs: 4096 },
  { name: '4096 x 14336', outputs: 4096, inputs: 14_336 },
];
const STORAGES = ['bfloat16', 'q8_0', 'q6_k', 'q5_k', 'q4_k', 'q5_0', 'q4_0'] as const;
const SETS = 4; // used in rotation, so that weights come from memory instead of L2

/** A weight of normally distributed numbers: some rows, repeated. */
function randomWeight(outputs: number, inputs: number, storage: tf.StorageType): tf.Tensor2D {
  if (storage === 'bfloat16') return randomTensor([outputs, inputs], storage, 0.02) as tf.Tensor2D;
  const rows = 16;
  const values = Float32Array.from(tf.tidy(() => tf.randomNormal([rows * inputs], 0, 0.02).dataSync()));
  const some = tf.encodeStorageBytes(values, storage);
  const bytes = new Uint8Array((some.length / rows) * outputs);
  for (let at = 0; at < bytes.length; at += some.length) bytes.set(some, at);
  return tf.tensorFromStorage(bytes, [outputs, inputs], storage) as tf.Tensor2D;
}

const ceilings = await measureCeilings();
const rows: Row[] = [];
for (const { name, outputs, inputs } of SHAPES) {
  const bfloat16 = new Map<number, number>(); // milliseconds by rows
  for (const storage of STORAGES) {
    const weights = Array.from({ length: SETS }, () => randomWeight(outputs, inputs, storage));
    const bytes = tf.storageByteLength(storage, outputs * inputs);
    for (const tokens of [1, 4, 16, 64, 512, 4096]) {
      const x = randomTensor([tokens, inputs]);
      const milliseconds = await deviceTime((i) => void tf.linear(x, weights[i % SETS]));
      if (storage === 'bfloat16') bfloat16.set(tokens, milliseconds);
      rows.push({
        case: name,
        storage,
        rows: String(tokens),
        us: milliseconds * 1000,
        'weights TB/s': bytes / milliseconds / 1e9,
        'of read ceiling': bytes / milliseconds / 1e9 / ceilings.read,
        'TFLOP/s': (2 * tokens * outputs * inputs) / milliseconds / 1e9,
        'of bfloat16 time': milliseconds / (bfloat16.get(tokens) ?? Number.NaN),
      });
      x.dispose();
    }
    tf.dispose(weights);
  }
}
report('linear', ceilings, rows);
