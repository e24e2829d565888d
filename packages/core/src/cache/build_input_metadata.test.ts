import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { buildInputMetadata } from './build_input_metadata.ts';
import type { AttentionErrorCode } from '../errors.ts';
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

/** Reads the metadata token by token and sequence by sequence. */
function expectDescribes(metadata: StepMetadata, scheduled: ScheduledSequence[], shape: MetadataShape): void {
  const { tokens, sequences, maxBlocks } = shape;
  expect(metadata.slotMapping.shape).toEqual([tokens]);
  expect(metadata.positions.shape).toEqual([tokens]);
  expect(metadata.contextLens.shape).toEqual([sequences]);
  expect(metadata.cuSeqlensK.shape).toEqual([sequences + 1]);
  expect(metadata.blockTables.shape).toEqual([sequences, maxBlocks]);
  const slots = [...metadata.slotMapping.dataSync()];
  const positions = [...metadata.positions.dataSync()];
  const contextLens = [...metadata.contextLens.dataSync()];
  const areDecodes = tokens === sequences && scheduled.every(({ queryLength }) => queryLength === 1);
  expect(metadata.cuSeqlensQ?.shape).toEqual(areDecodes ? undefined : [sequences + 1]);
  // Without cuSeqlensQ each sequence has one token, padding sequences too.
  const starts = [...(metadata.cuSeqlensQ?.dataSync() ?? Array(sequences + 1).keys())];
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
    expect([contextLens[i], keyStarts[i + 1]]).toEqual([0, keyStarts[i]]);
    expect(starts[i + 1] - starts[i]).toBe(areDecodes ? 1 : 0);
    expect(tables[i].every((block) => block === -1)).toBe(true);
  }
  const padding = starts[scheduled.length];
  expect(slots.slice(padding).every((slot) => slot === -1)).toBe(true);
  expect(positions.slice(padding).every((position) => position === 0)).toBe(true);
  const queryLengths = scheduled.map(({ queryLength }) => queryLength);
  expect(metadata.isPrefill).toBe(queryLengths.some((length) => length > 1));
  expect(metadata.maxSeqlenQ).toBe(Math.max(0, ...queryLengths));
  expect(metadata.maxContextLen).toBe(Math.max(0, ...scheduled.map(({ contextLength }) => contextLength)));
  expect(metadata.maxSeqlenK).toBe(metadata.maxContextLen);
}

const decode = (length: number): ScheduledSequence => ({
  slots: [length - 1],
  blockTable: [0, 1],
  contextLength: length,
  queryLength: 1,
});

/** A value that the types forbid. */
const bad = (value: unknown) => value as never;

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
        fc.pre(shape.tokens !== shape.sequences);
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

  test('refills a step of decodes with fewer decodes: padding is sequences of context 0 and slot -1', () => {
    const shape = { tokens: 4, sequences: 4, maxBlocks: 3 };
    const into = buildInputMetadata([], { shape });
    expectDescribes(into, [], shape);
    for (const lengths of [[5, 6, 7, 8], [9], [], [3, 12]]) {
      const scheduled = lengths.map(decode);
      expect(buildInputMetadata(scheduled, { into })).toBe(into);
      expectDescribes(into, scheduled, shape);
    }
    const chunk = { slots: [0, 1], blockTable: [0], contextLength: 2, queryLength: 2 };
    for (const [other, name] of [
      [chunk, 'a prefill'],
      [{ ...chunk, slots: [], queryLength: 0 }, 'a sequence without query'],
    ] as const) {
      const before = into.slotMapping.dataSync().slice();
      expectAttentionError(
        () => buildInputMetadata([decode(7), other], { into }),
        'ERR_SHAPE',
        '[buildInputMetadata] scheduled: expected decodes, one query token per sequence, as into has no cuSeqlensQ, ' +
          'received longer or empty queries',
      );
      expect([name, ...into.slotMapping.dataSync()]).toEqual([name, ...before]);
    }
    disposeInputMetadata(into);
  });

  test('leaks nothing, new or refilled', () => {
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

  test.each<[string, AttentionErrorCode, () => unknown, string]>([
    [
      'no list',
      'ERR_DTYPE',
      () => buildInputMetadata(bad(undefined)),
      'scheduled: expected an array of sequences, received undefined',
    ],
    [
      'null for a sequence',
      'ERR_DTYPE',
      () => buildInputMetadata([bad(null)]),
      'scheduled[0]: expected an object, received null',
    ],
    [
      'an empty object',
      'ERR_RANGE',
      () => buildInputMetadata([bad({})]),
      'scheduled[0].contextLength: expected an integer >= 0 and <= 2147483647, received undefined',
    ],
    [
      'an unknown property',
      'ERR_UNSUPPORTED',
      () => buildInputMetadata([bad({ ...one, block_table: [0] })]),
      'scheduled[0]: expected only slots, blockTable, contextLength, queryLength, received "block_table"',
    ],
    [
      'no slots',
      'ERR_DTYPE',
      () => buildInputMetadata([{ ...one, slots: bad(undefined) }]),
      'scheduled[0].slots: expected an array of integers, received undefined',
    ],
    [
      'slots of bigint',
      'ERR_RANGE',
      () => buildInputMetadata([{ ...one, slots: [bad(8n)] }]),
      'scheduled[0].slots[0]: expected an integer >= -1 and <= 2147483647, received 8n',
    ],
    [
      'a DataView',
      'ERR_DTYPE',
      () => buildInputMetadata([{ ...one, slots: bad(new DataView(new ArrayBuffer(4))) }]),
      'scheduled[0].slots: expected an array of integers, received DataView',
    ],
    [
      'a text for blocks',
      'ERR_DTYPE',
      () => buildInputMetadata([{ ...one, blockTable: bad('x') }]),
      'scheduled[0].blockTable: expected an array of integers, received "x"',
    ],
    [
      'null for options',
      'ERR_DTYPE',
      () => buildInputMetadata([], bad(null)),
      'options: expected an object, received null',
    ],
    [
      'an unknown option',
      'ERR_UNSUPPORTED',
      () => buildInputMetadata([], bad({ shapes: {} })),
      'options: expected only into, shape, received "shapes"',
    ],
    [
      'null for shape',
      'ERR_DTYPE',
      () => buildInputMetadata([], { shape: bad(null) }),
      'shape: expected an object, received null',
    ],
    [
      'no sizes',
      'ERR_RANGE',
      () => buildInputMetadata([], { shape: bad({}) }),
      'shape.tokens: expected an integer >= 0 and <= 268435456, received undefined',
    ],
    [
      'a huge size',
      'ERR_RANGE',
      () => buildInputMetadata([], { shape: { tokens: 2 ** 40, sequences: 1, maxBlocks: 1 } }),
      'shape.tokens: expected an integer >= 0 and <= 268435456, received 1099511627776',
    ],
    [
      'a huge table',
      'ERR_RANGE',
      () => buildInputMetadata([], { shape: { tokens: 1, sequences: 2 ** 20, maxBlocks: 2 ** 20 } }),
      'shape: expected sequences * maxBlocks <= 268435456, received 1099511627776',
    ],
    [
      'an empty into',
      'ERR_DTYPE',
      () => buildInputMetadata([], { into: bad({}) }),
      'into.slotMapping: expected a Tensor, received undefined',
    ],
    [
      'both into and shape',
      'ERR_UNSUPPORTED',
      () => buildInputMetadata([], { into: bad({}), shape: { tokens: 1, sequences: 1, maxBlocks: 1 } }),
      'options: expected either into or shape, received both',
    ],
  ])('rejects %s', (_title, code, call, message) => {
    expectAttentionError(call, code, `[buildInputMetadata] ${message}`);
  });

  test('rejects a step that does not fit, and leaves the tensors as they were', () => {
    const into = buildInputMetadata([one]);
    const before = into.slotMapping.dataSync().slice();
    const expectUnfit = (scheduled: ScheduledSequence[], message: string): void => {
      const text = `[buildInputMetadata] scheduled: expected at most ${message}`;
      expectAttentionError(() => buildInputMetadata(scheduled, { into }), 'ERR_SHAPE', text);
    };
    expectUnfit([{ ...one, slots: [1, 2], queryLength: 2 }], '1 tokens, received 2');
    expectUnfit([one, { ...one, slots: [], queryLength: 0 }], '1 sequences, received 2');
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
