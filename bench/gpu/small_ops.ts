/** The small fused ops, compared with a plain copy of the same number of bytes in the same run. */
import * as tf from '@attention-js/core/tf';
import { deviceTime, plainCopy, randomTensor } from './support/device.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

const HIDDEN = 4096;
const INTERMEDIATE = 14_336;
const [HEADS, KV_HEADS, HEAD_SIZE, BLOCK_SIZE] = [32, 8, 128, 16];
const SETS = 3; // used in rotation, so that inputs come from memory instead of L2

interface Case {
  name: string;
  /** Bytes read and written for `tokens` tokens. */
  bytes: (tokens: number) => number;
  make: (tokens: number) => { call: (i: number) => unknown; tensors: tf.Tensor[] };
}

const sets = (shape: number[]): tf.Tensor[] => Array.from({ length: SETS }, () => randomTensor(shape));

const cases: Case[] = [
  {
    name: 'rmsNorm',
    bytes: (tokens) => 2 * tokens * HIDDEN * 2,
    make(tokens) {
      const x = sets([tokens, HIDDEN]);
      const weight = randomTensor([HIDDEN], 'float32');
      return {
        call: (i) => tf.rmsNorm(x[i % SETS], weight, { epsilon: 1e-5 }),
        tensors: [...x, weight],
      };
    },
  },
  {
    name: 'rmsNorm with residual',
    bytes: (tokens) => 4 * tokens * HIDDEN * 2,
    make(tokens) {
      const [x, residual] = [sets([tokens, HIDDEN]), sets([tokens, HIDDEN])];
      const weight = randomTensor([HIDDEN], 'float32');
      return {
        call: (i) => tf.rmsNorm(x[i % SETS], weight, { epsilon: 1e-5, residual: residual[i % SETS] }),
        tensors: [...x, ...residual, weight],
      };
    },
  },
  {
    name: 'siluAndMul',
    bytes: (tokens) => 3 * tokens * INTERMEDIATE * 2,
    make(tokens) {
      const x = sets([tokens, 2 * INTERMEDIATE]);
      return { call: (i) => tf.siluAndMul(x[i % SETS]), tensors: x };
    },
  },
  {
    name: 'rotaryEmbedding',
    bytes: (tokens) => 2 * tokens * (HEADS + KV_HEADS) * HEAD_SIZE * 2,
    make(tokens) {
      const [query, key] = [sets([tokens, HEADS, HEAD_SIZE]), sets([tokens, KV_HEADS, HEAD_SIZE])];
      const positions = tf.range(0, tokens, 1, 'int32');
      const tables = [0, 1].map(() => randomTensor([tokens, HEAD_SIZE / 2], 'float32') as tf.Tensor2D);
      return {
        call: (i) => tf.rotaryEmbedding(query[i % SETS], key[i % SETS], positions, tables[0], tables[1]),
        tensors: [...query, ...key, positions, ...tables],
      };
    },
  },
  {
    name: 'reshapeAndCache',
    bytes: (tokens) => 4 * tokens * KV_HEADS * HEAD_SIZE * 2,
    make(tokens) {
      const [key, value] = [sets([tokens, KV_HEADS, HEAD_SIZE]), sets([tokens, KV_HEADS, HEAD_SIZE])];
      const cacheShape = [tokens / BLOCK_SIZE, BLOCK_SIZE, KV_HEADS, HEAD_SIZE];
      const [keyCache, valueCache] = [sets(cacheShape), sets(cacheShape)];
      const slots = tf.range(0, tokens, 1, 'int32');
      return {
        call: (i) =>
          tf.reshapeAndCache(key[i % SETS], value[i % SETS], keyCache[i % SETS], valueCache[i % SETS], slots),
        tensors: [...key, ...value, ...keyCache, ...valueCache, slots],
      };
    },
  },
];

const rows: Row[] = [];
for (const tokens of [4096, 65_536]) {
  for (const { name, bytes, make } of cases) {
    const { call, tensors } = make(tokens);
    const milliseconds = await deviceTime((i) => void call(i), { calls: 30 });
    tf.dispose(tensors);
    const half = bytes(tokens) / 2;
    const [from, to] = [sets([half / 2]), sets([half / 2])];
    const copyMs = await deviceTime((i) => plainCopy(from[i % SETS], to[i % SETS], half), { calls: 30 });
    tf.dispose([...from, ...to]);
    rows.push({
      case: name,
      tokens: String(tokens),
      us: milliseconds * 1000,
      'TB/s': bytes(tokens) / milliseconds / 1e9,
      'copy us': copyMs * 1000,
      'of a plain copy': copyMs / milliseconds,
      goal: 0.85,
    });
  }
}
report('small_ops', {}, rows);
