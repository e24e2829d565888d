import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AttentionError } from '../errors.ts';
import { reshapeAndCache } from '../ops/reshape_and_cache.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { PagedKV } from './paged_kv.ts';
import type { PagedKVStep, StepWork } from './paged_kv.ts';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself
beforeAll(() => tf.setBackend('cpu'));

const HEAD_SIZE = 8;
const BLOCK_SIZE = 8;

function make(numBlocks: number): PagedKV {
  return new PagedKV({
    numLayers: 1,
    numBlocks,
    blockSize: BLOCK_SIZE,
    numKvHeads: 1,
    headSize: HEAD_SIZE,
  });
}

/** A model whose keys are its tokens: what the cache holds can be read back. */
function write(kv: PagedKV, { tokenIds, metadata }: PagedKVStep): void {
  tf.tidy(() => {
    const rows = tf.tile(tf.reshape(tf.cast(tokenIds, 'float32'), [-1, 1, 1]), [1, 1, HEAD_SIZE]);
    const { keyCache, valueCache } = kv.layer(0);
    reshapeAndCache(rows, rows, keyCache, valueCache, metadata.slotMapping);
  });
}

function run(kv: PagedKV, work: StepWork): void {
  using step = kv.step(work);
  write(kv, step);
  step.commit();
}

/** The committed tokens of a sequence, read from the cache. */
function read(kv: PagedKV, id: string): number[] {
  const { committed } = kv.blocks.sequence(id);
  const keys = kv.layer(0).keyCache.dataSync();
  return [...kv.blocks.slots(id, 0, committed)].map((slot) => keys[slot * HEAD_SIZE]);
}

const count = (length: number, from = 1): number[] => Array.from({ length }, (_, i) => from + i);

test('computes a prompt in chunks beside decodes of another sequence', () => {
  using kv = make(16);
  expect(kv.start('a', count(20))).toEqual({ cachedTokens: 0 });
  kv.start('b', [50, 51]);
  run(kv, { b: 2 });
  {
    using step = kv.step({ a: 13, b: [52] });
    expect([...step.tokenIds.dataSync()]).toEqual([...count(13), 52]);
    expect([...step.lastRows.dataSync()]).toEqual([12, 13]);
    expect(step.sequences).toEqual(['a', 'b']);
    expect([...step.metadata.positions.dataSync()]).toEqual([...count(13, 0), 2]);
    expect([...step.metadata.contextLens.dataSync()]).toEqual([13, 3]);
    expect(step.metadata.cuSeqlensQ?.arraySync()).toEqual([0, 13, 14]);
    write(kv, step);
    step.commit();
  }
  expect(kv.remaining('a')).toBe(7);
  run(kv, { a: 7 });
  run(kv, { a: [21], b: [53] });
  expect(read(kv, 'a')).toEqual(count(21));
  expect(read(kv, 'b')).toEqual([50, 51, 52, 53]);
});

test('a step of one token per sequence has no cuSeqlensQ', () => {
  using kv = make(4);
  kv.start('a', [1]);
  using step = kv.step({ a: 1 });
  expect(step.metadata.cuSeqlensQ).toBeUndefined();
});

test('prompts that begin alike share blocks, within one salt', () => {
  using kv = make(16);
  kv.start('a', count(20));
  run(kv, { a: 20 });
  expect(kv.start('b', [...count(17), 99])).toEqual({ cachedTokens: 16 });
  expect(kv.start('c', count(20), { salt: 'other' })).toEqual({ cachedTokens: 0 });
  run(kv, { b: 2 });
  expect(read(kv, 'b')).toEqual([...count(17), 99]);
});

test('forks part ways', () => {
  using kv = make(16);
  kv.start('a', count(10));
  run(kv, { a: 10 });
  kv.fork('a', 'b');
  run(kv, { a: [11], b: [12] });
  expect(read(kv, 'a')).toEqual([...count(10), 11]);
  expect(read(kv, 'b')).toEqual([...count(10), 12]);
});

test('a step that is not committed never happened', () => {
  using kv = make(4);
  kv.start('a', count(9));
  const before = kv.stats();
  const { numTensors } = tf.memory();
  kv.step({ a: 9 }).dispose();
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(kv.remaining('a')).toBe(9);
  expect(kv.stats().free).toBe(before.free);
  run(kv, { a: 9 });
  expect(read(kv, 'a')).toEqual(count(9));
});

test('its tensors outlive tf.tidy, and dispose frees them', () => {
  using kv = make(4);
  kv.start('a', count(3));
  const { numTensors } = tf.memory();
  let step!: PagedKVStep;
  tf.tidy(() => void (step = kv.step({ a: 3 })));
  write(kv, step);
  step.commit();
  step.dispose();
  step.dispose();
  expect(tf.memory().numTensors).toBe(numTensors);
});

describe('throws, and changes nothing,', () => {
  test('if the blocks do not suffice for all sequences together', () => {
    using kv = make(3);
    kv.start('a', count(16));
    kv.start('b', count(16, 100));
    const before = kv.stats();
    expectAttentionError(() => kv.step({ a: 16, b: 16 }), 'ERR_OUT_OF_BLOCKS', /blocks/);
    expect(kv.stats()).toEqual(before);
    run(kv, { a: 16, b: 8 });
    expect(read(kv, 'a')).toEqual(count(16));
    expect(read(kv, 'b')).toEqual(count(8, 100));
  });

  test('for what does not fit the sequences', () => {
    using kv = make(8);
    kv.start('a', count(5));
    expectAttentionError(() => kv.start('a', [1]), 'ERR_RANGE', /id/);
    expectAttentionError(() => kv.start('b', []), 'ERR_RANGE', /tokens/);
    expectAttentionError(() => kv.start('b', [1.5]), 'ERR_RANGE', /tokens\[0\]/);
    expectAttentionError(() => kv.start(7 as unknown as string, [1]), 'ERR_DTYPE', /id/);
    expectAttentionError(() => kv.start('b', [1], { slat: 'x' } as object), 'ERR_UNSUPPORTED', /only salt/);
    expectAttentionError(() => kv.step({}), 'ERR_RANGE', /at least one sequence/);
    expectAttentionError(() => kv.step({ x: 1 }), 'ERR_RANGE', /a sequence that was started, received "x"/);
    expectAttentionError(() => kv.step({ a: 6 }), 'ERR_RANGE', /work\.a/);
    expectAttentionError(() => kv.step({ a: 0 }), 'ERR_RANGE', /work\.a/);
    expectAttentionError(() => kv.step({ a: [9] }), 'ERR_RANGE', /5 of the prompt are not computed yet/);
    expectAttentionError(() => kv.step(null as unknown as StepWork), 'ERR_DTYPE', /work/);
    expectAttentionError(() => kv.free('x'), 'ERR_RANGE', /id/);
    expect(kv.stats().sequences).toBe(1);
  });

  test('for a sequence in an open step, and a second commit', () => {
    using kv = make(8);
    kv.start('a', count(5));
    const step = kv.step({ a: 2 });
    expectAttentionError(() => kv.step({ a: 1 }), 'ERR_RANGE', /whose last step is committed or disposed/);
    expectAttentionError(() => kv.free('a'), 'ERR_RANGE', /whose last step is committed or disposed/);
    expectAttentionError(() => kv.fork('a', 'b'), 'ERR_RANGE', /all committed/);
    step.commit();
    expectAttentionError(() => step.commit(), 'ERR_DISPOSED', /a committed one/);
    step.dispose();
    expectAttentionError(() => step.commit(), 'ERR_DISPOSED', /a disposed one/);
  });
});

type Action =
  | { do: 'start'; id: string; tokens: number[] }
  | { do: 'step'; ids: string[]; size: number; commit: boolean }
  | { do: 'fork'; id: string; to: string }
  | { do: 'free'; id: string };

const ids = fc.constantFrom('a', 'b', 'c', 'd');
const actions: fc.Arbitrary<Action> = fc.oneof(
  // Few token ids, so that prompts begin alike.
  fc.record({
    do: fc.constant('start' as const),
    id: ids,
    tokens: fc.array(fc.nat(1), { minLength: 1, maxLength: 40 }),
  }),
  fc.record({
    do: fc.constant('step' as const),
    ids: fc.uniqueArray(ids, { minLength: 1 }),
    size: fc.integer({ min: 1, max: 12 }),
    commit: fc.boolean(),
  }),
  fc.record({ do: fc.constant('fork' as const), id: ids, to: ids }),
  fc.record({ do: fc.constant('free' as const), id: ids }),
);

/** What a sequence must hold, and what is left of its prompt. */
interface Expected {
  done: number[];
  rest: number[];
}

test('sequences hold their tokens, whatever happens to the others', () => {
  let next = 2;
  const property = fc.property(fc.array(actions, { maxLength: 40 }), (sequence) => {
    using kv = make(12);
    const model = new Map<string, Expected>();
    const apply = (action: Action): void => {
      if (action.do === 'start') {
        const { cachedTokens } = kv.start(action.id, action.tokens);
        model.set(action.id, {
          done: action.tokens.slice(0, cachedTokens),
          rest: action.tokens.slice(cachedTokens),
        });
      } else if (action.do === 'free') {
        kv.free(action.id);
        model.delete(action.id);
      } else if (action.do === 'fork') {
        kv.fork(action.id, action.to);
        model.set(action.to, structuredClone(model.get(action.id) as Expected));
      } else {
        const work: Record<string, number | number[]> = {};
        for (const id of action.ids) {
          const rest = model.get(id)?.rest ?? [];
          work[id] = rest.length > 0 ? Math.min(action.size, rest.length) : [next++];
        }
        using step = kv.step(work);
        write(kv, step);
        if (!action.commit) return;
        step.commit();
        for (const [id, tokens] of Object.entries(work)) {
          const expected = model.get(id) as Expected;
          expected.done.push(...(typeof tokens === 'number' ? expected.rest.splice(0, tokens) : tokens));
        }
      }
    };
    for (const action of sequence) {
      try {
        apply(action);
      } catch (error) {
        if (!(error instanceof AttentionError)) throw error; // refused: nothing may have changed
      }
      for (const [id, { done, rest }] of model) {
        expect(read(kv, id)).toEqual(done);
        expect(kv.remaining(id)).toBe(rest.length);
      }
      expect(kv.stats().sequences).toBe(model.size);
    }
    for (const id of model.keys()) kv.free(id);
    expect(kv.stats()).toMatchObject({ used: 0, sequences: 0 });
  });
  fc.assert(property, { numRuns: 300 });
});
