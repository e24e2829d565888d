/**
 * Attention on tfjs's `cpu` backend: our op over a paged cache, compared with the same attention in plain tfjs ops
 * (concatenated cache, matMul, mask, softmax) in the same run. H = 8, Hkv = 2, D = 64.
 */
import * as tf from '@attention-js/core/tf';
import { median } from './support/median.ts';

const [HEADS, KV_HEADS, HEAD_SIZE, BLOCK_SIZE, CONTEXT] = [8, 2, 64, 16, 2048];
const GROUP = HEADS / KV_HEADS;

/** [tokens, heads, headSize] to [heads, tokens, headSize]. */
const headsFirst = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [1, 0, 2]);

/** One step of a sequence, with the inputs of both implementations. */
interface BatchStep {
  query: tf.Tensor3D;
  key: tf.Tensor3D;
  value: tf.Tensor3D;
  pastKey: tf.Tensor3D;
  pastValue: tf.Tensor3D;
  slots: tf.Tensor1D;
  keyCache: tf.Tensor;
  valueCache: tf.Tensor;
  metadata: tf.AttentionMetadata;
}

/** Repeats each KV head for the query heads of its group, as plain tfjs needs it. */
function repeatHeads(x: tf.Tensor): tf.Tensor {
  const [kvHeads, tokens, headSize] = x.shape;
  const tiled = tf.tile(tf.expandDims(x, 1), [1, GROUP, 1, 1]);
  return tf.reshape(tiled, [kvHeads * GROUP, tokens, headSize]);
}

function plainAttention(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask?: tf.Tensor): tf.Tensor {
  const [q, k, v] = [headsFirst(query), repeatHeads(headsFirst(key)), repeatHeads(headsFirst(value))];
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(HEAD_SIZE));
  const weights = tf.softmax(mask ? tf.add(scores, mask) : scores);
  return headsFirst(tf.matMul(weights, v));
}

function plainPrefill({ query, key, value }: BatchStep): tf.Tensor {
  const rows = tf.expandDims(tf.range(0, CONTEXT), 1);
  const mask = tf.where(tf.lessEqual(tf.range(0, CONTEXT), rows), 0, Number.NEGATIVE_INFINITY);
  return plainAttention(query, key, value, mask);
}

function plainDecode({ query, pastKey, pastValue, key, value }: BatchStep): tf.Tensor {
  return plainAttention(query, tf.concat([pastKey, key]), tf.concat([pastValue, value]));
}

function pagedStep({ query, key, value, slots, keyCache, valueCache, metadata }: BatchStep): tf.Tensor {
  tf.reshapeAndCache(key, value, keyCache, valueCache, slots);
  return tf.pagedAttention(query, keyCache, valueCache, metadata);
}

/** Makes the step of the last `tokens` tokens of a sequence of CONTEXT tokens. */
function makeStep(tokens: number): BatchStep {
  const draw = (heads: number) => tf.randomNormal<tf.Rank.R3>([CONTEXT, heads, HEAD_SIZE]);
  const [keys, values] = [draw(KV_HEADS), draw(KV_HEADS)];
  const past = CONTEXT - tokens;
  const last = (x: tf.Tensor3D) => tf.slice(x, [past, 0, 0], [tokens, -1, -1]);
  const numBlocks = CONTEXT / BLOCK_SIZE;
  const cacheShape = [numBlocks, BLOCK_SIZE, KV_HEADS, HEAD_SIZE];
  return {
    query: last(draw(HEADS)),
    key: last(keys),
    value: last(values),
    pastKey: tf.slice(keys, [0, 0, 0], [past, -1, -1]),
    pastValue: tf.slice(values, [0, 0, 0], [past, -1, -1]),
    slots: tf.range(past, CONTEXT, 1, 'int32'),
    keyCache: tf.reshape(keys, cacheShape),
    valueCache: tf.reshape(values, cacheShape),
    metadata: {
      blockTables: tf.reshape(tf.range(0, numBlocks, 1, 'int32'), [1, numBlocks]),
      contextLens: tf.tensor1d([CONTEXT], 'int32'),
      cuSeqlensQ: tf.tensor1d([0, tokens], 'int32'),
    },
  };
}

/** Median milliseconds of `runs` calls, and the output of the last. */
function measure(runs: number, call: () => tf.Tensor): { milliseconds: number; output: tf.Tensor } {
  let output = tf.tidy(call);
  const times = Array.from({ length: runs }, () => {
    output.dispose();
    const start = performance.now();
    output = tf.tidy(call);
    return performance.now() - start;
  });
  return { milliseconds: median(times), output };
}

tf.enableProdMode();
await tf.setBackend('cpu');
const cases = [
  { title: `prefill of ${CONTEXT} tokens`, tokens: CONTEXT, runs: 1, plain: plainPrefill },
  {
    title: `decode at context ${CONTEXT}`,
    tokens: 1,
    runs: 30,
    plain: plainDecode,
  },
];
console.log(
  `attention on cpu, ${HEADS} heads, ${KV_HEADS} KV heads, head size ${HEAD_SIZE}, float32 (median)`,
);
for (const { title, tokens, runs, plain } of cases) {
  const step = makeStep(tokens);
  const paged = measure(runs, () => pagedStep(step));
  console.log(`  ${title}: measured paged attention, next plain tfjs, which takes longer`);
  const reference = measure(runs, () => plain(step));
  const difference = tf.max(tf.abs(tf.sub(paged.output, reference.output))).dataSync()[0];
  const ratio = reference.milliseconds / paged.milliseconds;
  console.log(
    `  ${title}: paged ${paged.milliseconds.toFixed(1)} ms, plain tfjs ${reference.milliseconds.toFixed(1)} ms, ` +
      `${ratio.toFixed(2)} times as fast, largest difference ${difference.toExponential(1)}`,
  );
  if (!(difference < 1e-4)) throw new Error(`${title}: the two results differ by ${difference}`);
  if (!(ratio > 1)) throw new Error(`${title}: plain tfjs ops are faster`);
}
