/**
 * Causal prefill from a paged cache: whole, in chunks, and mixed with decodes; compared with PyTorch where it was
 * measured.
 */
import * as tf from '@attention-js/core/tf';
import { deviceTime, measureCeilings, randomTensor } from './support/device.ts';
import { disposeBatch, pagedBatch } from './support/paged_batch.ts';
import { peerFigure } from './support/peers.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

interface Case {
  title: string;
  sequences: { contextLength: number; queryLength: number }[];
  headSize?: number;
  options?: tf.AttentionOptions;
  peer?: { batch: number; length: number };
}

const HEADS = 32;
const KV_HEADS = 8;

const whole = (batch: number, length: number, headSize = 128): Case => ({
  title: `${batch} x ${length}`,
  sequences: Array.from({ length: batch }, () => ({ contextLength: length, queryLength: length })),
  headSize,
  peer: { batch, length },
});
const chunk = (queryLength: number, contextLength: number): Case => ({
  title: `chunk ${queryLength} of ${contextLength}`,
  sequences: [{ queryLength, contextLength }],
});
const decodes = Array.from({ length: 63 }, () => ({ contextLength: 4096, queryLength: 1 }));

const cases: Case[] = [
  ...[64, 128, 256].flatMap((headSize) => [
    whole(8, 2048, headSize),
    whole(1, 4096, headSize),
    whole(1, 16_384, headSize),
    whole(1, 32_768, headSize),
  ]),
  chunk(1024, 32_768),
  chunk(4096, 32_768),
  { ...whole(1, 16_384), title: '1 x 16384, softcap', options: { softcap: 30 } },
  { ...whole(1, 16_384), title: '1 x 16384, window 4096', options: { slidingWindow: 4096 } },
  {
    ...whole(1, 16_384),
    title: '1 x 16384, ALiBi',
    options: { alibiSlopes: Array.from({ length: HEADS }, (_, head) => 2 ** (-(head + 1) / 4)) },
  },
  {
    title: 'mixed: 2048 of 16384, and 63 decodes at 4096',
    sequences: [{ contextLength: 16_384, queryLength: 2048 }, ...decodes],
  },
];

/** The number of query-key pairs that the causal mask and the window keep. */
function keptPairs({ sequences, options }: Case): number {
  const window = options?.slidingWindow ?? Infinity;
  let pairs = 0;
  for (const { contextLength, queryLength } of sequences) {
    for (let i = contextLength - queryLength; i < contextLength; i++) pairs += Math.min(i + 1, window);
  }
  return pairs;
}

const ceilings = await measureCeilings();
const rows: Row[] = [];
for (const current of cases) {
  const { title, sequences, headSize = 128, options, peer } = current;
  const batch = pagedBatch({ sequences, kvHeads: KV_HEADS, headSize });
  const tokens = sequences.reduce((sum, { queryLength }) => sum + queryLength, 0);
  const query = randomTensor([tokens, HEADS, headSize]);
  const slopes = options?.alibiSlopes && tf.tensor1d(options.alibiSlopes as number[]);
  const settings = slopes ? { ...options, alibiSlopes: slopes } : options;
  const milliseconds = await deviceTime(
    () => void tf.pagedAttention(query, batch.keyCache, batch.valueCache, batch.metadata, settings),
    { calls: 3, samples: 3 },
  );
  const speed = (4 * HEADS * headSize * keptPairs(current)) / milliseconds / 1e9;
  const key = { figure: 'prefill_causal', head_size: headSize, ...peer };
  const flash2 = options || !peer ? undefined : peerFigure({ ...key, peer: 'flash2' }, 'tflop_per_s');
  const cudnn = options || !peer ? undefined : peerFigure({ ...key, peer: 'cudnn' }, 'tflop_per_s');
  rows.push({
    case: title,
    D: String(headSize),
    ms: milliseconds,
    'TFLOP/s': speed,
    'PyTorch flash2': flash2,
    'of flash2': flash2 && speed / flash2,
    'PyTorch cudnn': cudnn,
  });
  tf.dispose([query, ...(slopes ? [slopes] : [])]);
  disposeBatch(batch);
}
report('prefill', ceilings, rows);
