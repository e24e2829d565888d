import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { buildInputMetadata } from './build_input_metadata.ts';
import type { MetadataShape, ScheduledSequence } from './build_input_metadata.ts';
import { disposeInputMetadata } from './input_metadata.ts';
import type { StepMetadata } from './input_metadata.ts';

const sequenceArbitrary: fc.Arbitrary<ScheduledSequence> = fc
  .record({ queryLength: fc.nat(5), earlier: fc.nat(20), blocks: fc.nat(4) })
  .chain(({ queryLength, earlier, blocks }) =>
    fc.record({
      slots: fc.array(fc.integer({ min: -1, max: 2 ** 31 - 1 }), {
        minLength: queryLength,
        maxLength: queryLength,
      }),
      blockTable: fc
        .array(fc.nat(1000), { minLength: blocks, maxLength: blocks })
        .map((table) => Int32Array.from(table)),
      contextLength: fc.constant(earlier + queryLength),
      queryLength: fc.constant(queryLength),
    }),
  );
const scheduledArbitrary = fc.array(sequenceArbitrary, { maxLength: 6 });

/** What the metadata says, read token by token and sequence by sequence. */
function expectDescribes(metadata: StepMetadata, scheduled: ScheduledSequence[], shape: MetadataShape): void {
  const { tokens, sequences, maxBlocks } = shape;
  expect(metadata.slotMapping.shape).toEqual([tokens]);
  expect(metadata.positions.shape).toEqual([tokens]);
  expect(metadata.contextLens.shape).toEqual([sequences]);
  expect(metadata.cuSeqlensQ.shape).toEqual([sequences + 1]);
  expect(metadata.cuSeqlensK.shape).toEqual([sequences + 1]);
  expect(metadata.blockTables.shape).toEqual([sequences, maxBlocks]);
  const slots = [...metadata.slotMapping.dataSync()];
  const positions = [...metadata.positions.dataSync()];
  const contextLens = [...metadata.contextLens.dataSync()];
  const starts = [...metadata.cuSeqlensQ.dataSync()];
  const keyStarts = [...metadata.cuSeqlensK.dataSync()];
  const tables = metadata.blockTables.arraySync();
  for (const tensor of [metadata.slotMapping, metadata.blockTables, metadata.cuSeqlensK]) {
    expect(tensor.dtype).toBe('int32');
  }
  scheduled.forEach(({ queryLength, contextLength, blockTable, ...sequence }, i) => {
    expect(starts[i + 1] - starts[i]).toBe(queryLength);
    expect(keyStarts[i + 1] - keyStarts[i]).toBe(contextLength);
    expect(contextLens[i]).toBe(contextLength);
    expect(slots.slice(starts[i], starts[i + 1])).toEqual(Array.from(sequence.slots));
    const from = contextLength - queryLength;
    expect(positions.slice(starts[i], starts[i + 1])).toEqual(Array.from(sequence.slots, (_, j) => from + j));
    expect(tables[i].slice(0, blockTable.length)).toEqual(Array.from(blockTable));
    expect(tables[i].slice(blockTable.length).every((block) => block === -1)).toBe(true);
  });
  expect([starts[0], keyStarts[0]]).toEqual([0, 0]);
  for (let i = scheduled.length; i < sequences; i++) {
    expect([contextLens[i], starts[i + 1], keyStarts[i + 1]]).toEqual([0, starts[i], keyStarts[i]]);
    expect(tables[i].every((block) => block === -1)).toBe(true);
  }
  const padding = starts[sequences];
  expect(slots.slice(padding).every((slot) => slot === -1)).toBe(true);
  expect(positions.slice(padding).every((position) => position === 0)).toBe(true);
  const queryLengths = scheduled.map(({ queryLength }) => queryLength);
  expect(metadata.isPrefill).toBe(queryLengths.some((length) => length > 1));
  expect(metadata.maxSeqlenQ).toBe(Math.max(0, ...queryLengths));
  expect(metadata.maxContextLen).toBe(Math.max(0, ...scheduled.map(({ contextLength }) => contextLength)));
  expect(metadata.maxSeqlenK).toBe(metadata.maxContextLen);
}

function sizeOf(scheduled: ScheduledSequence[], extra = 0): MetadataShape {
  return {
    tokens: scheduled.reduce((sum, { queryLength }) => sum + queryLength, extra),
    sequences: scheduled.length + extra,
    maxBlocks: Math.max(1, ...scheduled.map(({ blockTable }) => blockTable.length)) + extra,
  };
}

describeOnBackends('buildInputMetadata', () => {
  test('describes any step', () => {
    fc.assert(
      fc.property(scheduledArbitrary, (scheduled) => {
        const metadata = buildInputMetadata(scheduled);
        expectDescribes(metadata, scheduled, sizeOf(scheduled));
        disposeInputMetadata(metadata);
      }),
      { numRuns: 40 },
    );
  });

  test('refills tensors of a fixed shape with any step that fits', () => {
    fc.assert(
      fc.property(scheduledArbitrary, scheduledArbitrary, fc.nat(3), (first, second, extra) => {
        const [a, b] = [sizeOf(first, extra), sizeOf(second)];
        const shape = {
          tokens: Math.max(a.tokens, b.tokens),
          sequences: Math.max(a.sequences, b.sequences),
          maxBlocks: Math.max(a.maxBlocks, b.maxBlocks),
        };
        const metadata = buildInputMetadata(first, { shape });
        expectDescribes(metadata, first, shape);
        const tensors = { ...metadata };
        expect(buildInputMetadata(second, { into: metadata })).toBe(metadata);
        expect(metadata.slotMapping).toBe(tensors.slotMapping);
        expectDescribes(metadata, second, shape);
        disposeInputMetadata(metadata);
      }),
      { numRuns: 40 },
    );
  });

  test('leaks nothing, made new or refilled', () => {
    const scheduled = [{ slots: [4, 5], blockTable: [1], contextLength: 2, queryLength: 2 }];
    const into = buildInputMetadata(scheduled);
    expectNoLeak(() =>
      Object.values(buildInputMetadata(scheduled)).filter((value) => value instanceof tf.Tensor),
    );
    expectNoLeak(() => {
      disposeInputMetadata(buildInputMetadata(scheduled));
      buildInputMetadata(scheduled, { into });
      return [];
    });
  });

  const one = { slots: [8], blockTable: [0, 1], contextLength: 9, queryLength: 1 };
  test.each<[string, 'ERR_RANGE' | 'ERR_SHAPE', Partial<ScheduledSequence>, string]>([
    [
      'slots',
      'ERR_SHAPE',
      { slots: [1, 2] },
      'scheduled[1].slots: expected 1 slot, one per query token, received 2',
    ],
    [
      'slot',
      'ERR_RANGE',
      { slots: [-2] },
      'scheduled[1].slots[0]: expected an integer >= -1 and <= 2147483647, received -2',
    ],
    [
      'block',
      'ERR_RANGE',
      { blockTable: [0.5] },
      'scheduled[1].blockTable[0]: expected an integer >= -1 and <= 2147483647, received 0.5',
    ],
    [
      'contextLength',
      'ERR_RANGE',
      { contextLength: -1 },
      'scheduled[1].contextLength: expected an integer >= 0 and <= 2147483647, received -1',
    ],
    [
      'queryLength',
      'ERR_RANGE',
      { contextLength: 0 },
      'scheduled[1].queryLength: expected an integer >= 0 and <= 0, received 1',
    ],
  ])('rejects wrong %s', (_title, code, change, message) => {
    const scheduled = [one, { ...one, ...change }];
    expectAttentionError(() => buildInputMetadata(scheduled), code, `[buildInputMetadata] ${message}`);
  });

  test('rejects what is no list', () => {
    expectAttentionError(
      () => buildInputMetadata(undefined as unknown as ScheduledSequence[]),
      'ERR_DTYPE',
      '[buildInputMetadata] scheduled: expected an array of sequences, received undefined',
    );
  });

  test('rejects a step that does not fit, and leaves the tensors as they were', () => {
    const into = buildInputMetadata([one]);
    const before = into.slotMapping.dataSync().slice();
    const expectUnfit = (scheduled: ScheduledSequence[], message: string): void => {
      const text = `[buildInputMetadata] scheduled: expected at most ${message}`;
      expectAttentionError(() => buildInputMetadata(scheduled, { into }), 'ERR_SHAPE', text);
    };
    expectUnfit([{ ...one, slots: [1, 2], queryLength: 2 }], '1 tokens, received 2');
    expectUnfit([{ ...one, slots: [], queryLength: 0 }, one], '1 sequences, received 2');
    expectUnfit([{ ...one, blockTable: [1, 2, 3] }], '2 maxBlocks, received 3');
    expectAttentionError(
      () => buildInputMetadata([one], { shape: { tokens: 0, sequences: 1, maxBlocks: 2 } }),
      'ERR_SHAPE',
      '[buildInputMetadata] scheduled: expected at most 0 tokens, received 1',
    );
    into.positions.dispose();
    const gone = '[buildInputMetadata] into.positions: expected a live tensor, received a disposed one';
    expectAttentionError(() => buildInputMetadata([one], { into }), 'ERR_DISPOSED', gone);
    expect(into.slotMapping.dataSync()).toEqual(before);
    const positions = tf.tensor1d([0, 0], 'int32');
    expectAttentionError(
      () => buildInputMetadata([one], { into: { ...into, positions } }),
      'ERR_SHAPE',
      '[buildInputMetadata] into.positions: expected shape [1] to match slotMapping, received [2]',
    );
  });
});
