/**
 * A decoder with the shape of Llama 3 8B and random weights, run through @attention-js/llm: wall-clock time of whole
 * steps.
 */
import * as tf from '@attention-js/core/tf';
import { parseConfig } from '../../packages/llm/src/config/parse_config.ts';
import { computeTable } from '../../packages/llm/src/models/compute_table.ts';
import type { FillRows } from '../../packages/llm/src/models/compute_table.ts';
import { Decoder } from '../../packages/llm/src/models/decoder.ts';
import { weightNames } from '../../packages/llm/src/models/weight_names.ts';
import type { LoadOptions, WeightLoader } from '../../packages/llm/src/models/weights.ts';
import { median } from '../support/median.ts';
import { measureCeilings, randomTensor } from './support/device.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

const BLOCK_SIZE = 16;
const CONTEXT = 1024;

const config = parseConfig({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  vocab_size: 128_256,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 500_000,
  tie_word_embeddings: false,
});

/** Replaces a checkpoint's weights by random numbers of the requested shapes. */
class RandomWeights implements WeightLoader {
  readonly storage = 'bfloat16';
  /** Elements of all matrices, which a decode step reads. */
  elements = 0;

  async load(shape: number[], _sources: unknown, { storage }: LoadOptions = {}) {
    if (shape.length > 1) this.elements += tf.util.sizeFromShape(shape);
    return randomTensor(shape, storage ?? this.storage, 0.02);
  }

  async table(shape: [number, number], fill: FillRows): Promise<tf.Tensor2D> {
    return tf.keep(tf.tensor2d(await computeTable(shape, fill), shape));
  }

  keep<T extends tf.Tensor>(tensor: T): T {
    return tf.keep(tensor);
  }

  has(): boolean {
    return true;
  }

  async areEqual(): Promise<boolean> {
    return false;
  }

  dispose(): void {} // the process ends
}

const weights = new RandomWeights();
const names = weightNames(config.family);
const model = await Decoder.load(weights, config, names);
const embeddingElements = config.vocabSize * config.hiddenSize; // a step reads only one row per token
const bytesPerStep = 2 * (weights.elements - embeddingElements);

/**
 * Seconds per step of `sequences` sequences with `queryLength` new tokens each, including greedy sampling and reading
 * the tokens back.
 */
async function stepSeconds(sequences: number, queryLength: number, past: number): Promise<number> {
  const steps = queryLength === 1 ? 200 : 4;
  const blocksPerSequence = Math.ceil((past + queryLength + steps) / BLOCK_SIZE);
  using cache = new tf.PagedKVCache({
    ...model.cacheShape,
    numBlocks: sequences * blocksPerSequence,
    blockSize: BLOCK_SIZE,
  });
  const tables = Array.from({ length: sequences }, (_, sequence) =>
    Array.from({ length: blocksPerSequence }, (_unused, i) => i * sequences + sequence),
  );
  const slot = (table: number[], position: number): number =>
    table[Math.floor(position / BLOCK_SIZE)] * BLOCK_SIZE + (position % BLOCK_SIZE);
  const times: number[] = [];
  let tokens = Int32Array.from({ length: sequences * queryLength }, (_, i) => (i * 7919) % config.vocabSize);
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    const begin = queryLength === 1 ? past + step : past;
    const sampled = tf.tidy(() => {
      const metadata = tf.buildInputMetadata(
        tables.map((blockTable) => ({
          slots: Array.from({ length: queryLength }, (_, i) => slot(blockTable, begin + i)),
          blockTable,
          contextLength: begin + queryLength,
          queryLength,
        })),
      );
      const last = Array.from({ length: sequences }, (_, i) => (i + 1) * queryLength - 1);
      const logits = model.forward({
        tokenIds: tf.tensor1d(tokens, 'int32'),
        metadata,
        cache,
        logitRows: queryLength === 1 ? undefined : tf.tensor1d(last, 'int32'),
      });
      return tf.sampleTokens(logits, { temperature: 0 });
    });
    const next = await sampled.data<'int32'>();
    sampled.dispose();
    if (queryLength === 1) tokens = Int32Array.from(next);
    times.push((performance.now() - start) / 1000);
  }
  return median(times.slice(steps / 2)); // the first half warms up the JIT compiler
}

const ceilings = await measureCeilings();
const rows: Row[] = [];
for (const [sequences, queryLength, past, goal] of [
  [1, 1, CONTEXT, '0.45 of the weights’ read time'],
  [64, 1, CONTEXT, '3,500 tokens/s'],
  [1, 8192 - 16, 0, '0.35 of the matmul ceiling'],
] as const) {
  const seconds = await stepSeconds(sequences, queryLength, past);
  const tokens = sequences * queryLength;
  const flop = 2 * (bytesPerStep / 2) * tokens;
  rows.push({
    case: queryLength === 1 ? `decode, ${sequences} at ${past}` : `prefill of ${queryLength}`,
    'ms a step': seconds * 1000,
    'tokens/s': tokens / seconds,
    'weights’ read time': bytesPerStep / ceilings.read / 1e12 / seconds,
    'of matmul ceiling': flop / seconds / 1e12 / ceilings.matmul,
    goal,
  });
}
report('llama_8b', ceilings, rows);
