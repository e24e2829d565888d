/** Decode from a paged cache, as a share of the GPU's measured read bandwidth. */
import * as tf from '@attention-js/core/tf';
import { deviceTime, measureCeilings, randomTensor } from './support/device.ts';
import { disposeBatch, pagedBatch } from './support/paged_batch.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

interface Case {
  contexts: number[];
  heads?: number;
  kvHeads?: number;
  headSize?: number;
  layout?: 'flash' | 'vllm';
  /** The share of the read ceiling to reach. */
  goal?: number;
  title?: string;
}

const equal = (sequences: number, context: number): number[] =>
  Array.from({ length: sequences }, () => context);
/** 64 contexts from 128 to 32,768 tokens, 592,000 in total: many short ones, a few long ones. */
const skewed = Array.from({ length: 64 }, (_, i) => Math.round(128 + 32_640 * (i / 63) ** 2.58));

const cases: Case[] = [
  { contexts: equal(64, 8192), goal: 0.96 },
  { contexts: equal(64, 4096), goal: 0.94 },
  { contexts: equal(64, 1024), goal: 0.82 },
  { contexts: equal(1, 32_768), goal: 0.72 },
  { contexts: equal(1, 4096) },
  { contexts: equal(1, 1024) },
  { contexts: equal(8, 4096), goal: 0.72 },
  { contexts: skewed, goal: 0.88, title: '64 skewed, 128 to 32768' },
  { contexts: equal(64, 8192), kvHeads: 1, goal: 0.8 },
  { contexts: equal(64, 8192), headSize: 64, goal: 0.92 },
  { contexts: equal(64, 4096), heads: 16, headSize: 256, goal: 0.96 },
  { contexts: equal(64, 2048), kvHeads: 32, goal: 0.97 },
  { contexts: equal(256, 2048), goal: 0.95 },
  { contexts: equal(1, 32_768), layout: 'vllm', goal: 0.65 },
  { contexts: equal(8, 4096), layout: 'vllm' },
  { contexts: equal(64, 1024), layout: 'vllm' },
  { contexts: equal(64, 4096), layout: 'vllm' },
  { contexts: equal(64, 8192), layout: 'vllm', goal: 0.88 },
];

const ceilings = await measureCeilings();
const rows: Row[] = [];
for (const {
  contexts,
  heads = 32,
  kvHeads = 8,
  headSize = 128,
  layout = 'flash',
  goal,
  title = `${contexts.length} x ${contexts[0]}`,
} of cases) {
  const batch = pagedBatch({
    sequences: contexts.map((contextLength) => ({ contextLength, queryLength: 1 })),
    kvHeads,
    headSize,
    layout,
  });
  const query = randomTensor([contexts.length, heads, headSize]);
  const { keyCache, valueCache, metadata } = batch;
  const milliseconds = await deviceTime(() => void tf.pagedAttention(query, keyCache, valueCache, metadata));
  const tokens = contexts.reduce((sum, context) => sum + context, 0);
  const bandwidth = (2 * tokens * kvHeads * headSize * 2) / milliseconds / 1e9;
  rows.push({
    case: title,
    heads: `${heads}/${kvHeads}`,
    D: String(headSize),
    layout,
    us: milliseconds * 1000,
    'TB/s': bandwidth,
    'of read ceiling': bandwidth / ceilings.read,
    goal,
  });
  query.dispose();
  disposeBatch(batch);
}
report('decode', ceilings, rows);
