import { BlockManager } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import { Scheduler } from './scheduler.ts';
import { Sequence } from './sequence.ts';
import { isLastChunk } from './step_plan.ts';

const BLOCK_SIZE = 8;
const NEXT_TOKEN = 99;

/** A scheduler over `numBlocks` blocks of 8 tokens, and a way to see what its steps are made of. */
function scheduling(numBlocks: number, maxTokensPerStep: number, maxSequences = 10) {
  const blocks = new BlockManager({ numBlocks, blockSize: BLOCK_SIZE });
  const failures: [number, unknown][] = [];
  const scheduler = new Scheduler<Sequence>(
    blocks,
    { maxTokensPerStep, maxSequences, prefixCache: true },
    ({ id }, error) => failures.push([id, error]),
  );
  let lastId = 0;
  return {
    blocks,
    scheduler,
    failures,
    add: (prompt: number[], salt?: string): Sequence => {
      const sequence = new Sequence(++lastId, prompt, salt);
      scheduler.add(sequence);
      return sequence;
    },
    /** Runs a step: `[id, count]` of each chunk. */
    step: (): [number, number][] => {
      const chunks = scheduler.schedule();
      const slots = chunks.flatMap((chunk) => [...chunk.slots]);
      expect(new Set(slots).size).toBe(slots.length);
      for (const chunk of chunks) {
        const { sequence, start, count } = chunk;
        expect(start).toBe(blocks.sequence(sequence.id).committed);
        expect([...blocks.slots(sequence.id, start, start + count)]).toEqual([...chunk.slots]);
        scheduler.complete(chunk);
        if (isLastChunk(chunk)) sequence.tokens.push(NEXT_TOKEN);
      }
      return chunks.map(({ sequence, count }) => [sequence.id, count]);
    },
  };
}

const prompt = (length: number, from: number): number[] => Array.from({ length }, (_, i) => from + i);

describe('Scheduler', () => {
  test('gives up a sequence that cannot be admitted, and goes on with the others', () => {
    const { add, blocks, failures, scheduler, step } = scheduling(100, 10);
    add(prompt(4, 0));
    step();
    add(prompt(2, 50), 5 as unknown as string);
    add(prompt(3, 100));
    expect(step()).toEqual([
      [1, 1],
      [3, 3],
    ]);
    expect(failures).toEqual([[2, expect.objectContaining({ code: 'ERR_DTYPE' })]]);
    expect(scheduler.waiting).toEqual([]);
    expect(blocks.stats().used).toBe(2);
  });

  test('gives up a running sequence that cannot be scheduled, and goes on with the others', () => {
    const { add, blocks, failures, scheduler, step } = scheduling(100, 10);
    const [first, second, third] = [add([1, 2]), add([3, 4]), add([5, 6])];
    step();
    second.tokens[2] = Number.NaN;
    const fourth = add([7]);
    expect(step()).toEqual([
      [1, 1],
      [3, 1],
      [4, 1],
    ]);
    expect(failures).toEqual([[2, expect.objectContaining({ code: 'ERR_RANGE' })]]);
    expect(scheduler.running).toEqual([first, third, fourth]);
    expect(blocks.has(2)).toBe(false);
  });

  test('passes on the copies that a shared block takes, and those of a preempted sequence no more', () => {
    const { add, blocks, scheduler, step } = scheduling(4, 100);
    add(prompt(12, 0));
    add(prompt(9, 100));
    step();
    const [, last] = blocks.blockTable(1);
    blocks.fork(1, 'fork'); // which takes the last block, too
    blocks.free(2);
    blocks.allocate(2, prompt(8, 100)); // one block is left
    blocks.commit(2, 8);
    const [{ sequence, copies }] = scheduler.schedule();
    expect([sequence.id, ...copies]).toEqual([1, last, blocks.blockTable(1)[1]]);
    expect(last).not.toBe(blocks.blockTable(1)[1]);
  });

  test('takes sequences in the order of their ids, in whichever order they are added', () => {
    const { scheduler, step } = scheduling(100, 100);
    for (const id of [2, 3, 1]) scheduler.add(new Sequence(id, [id]));
    expect(step().map(([id]) => id)).toEqual([1, 2, 3]);
  });

  test('takes decodes first, then begun prefills, then new sequences, in the order of arrival', () => {
    const { add, step } = scheduling(100, 10);
    add(prompt(4, 0));
    add(prompt(9, 100));
    expect(step()).toEqual([
      [1, 4],
      [2, 6],
    ]);
    add(prompt(20, 200));
    add(prompt(5, 300));
    expect(step()).toEqual([
      [1, 1],
      [2, 3],
      [3, 6],
    ]);
    expect(step()).toEqual([
      [1, 1],
      [2, 1],
      [3, 8],
    ]);
    expect(step()).toEqual([
      [1, 1],
      [2, 1],
      [3, 6],
      [4, 2],
    ]);
  });

  test('gives decodes their turn in the order of arrival when the budget is too small for all', () => {
    const { add, step } = scheduling(100, 2);
    for (const from of [0, 100, 200]) add([from, from + 1]);
    expect([step(), step(), step()]).toEqual([
      [[1, 2]],
      [
        [1, 1],
        [2, 1],
      ],
      [
        [1, 1],
        [2, 1],
      ],
    ]);
  });

  test('is empty when no sequence is left', () => {
    const { scheduler, add, step } = scheduling(4, 10);
    expect(step()).toEqual([]);
    const [first, second] = [add([1]), add([2])];
    scheduler.remove(second);
    expect(step()).toEqual([[1, 1]]);
    scheduler.remove(first);
    expect(step()).toEqual([]);
  });

  test('lets a sequence wait for a prefix that another one computes, and others overtake it', () => {
    const { add, step } = scheduling(100, 20);
    const shared = prompt(24, 0);
    add([...shared, 1000]);
    const second = add([...shared, 2000, 2001]);
    add([...shared, 3000], 'another salt');
    expect(step()).toEqual([[1, 20]]);
    // The third block of the first sequence is complete after this step.
    expect(step()).toEqual([
      [1, 5],
      [3, 15],
    ]);
    expect(step()).toEqual([
      [1, 1],
      [3, 10],
      [2, 2],
    ]);
    expect(second.cachedTokens).toBe(24);
  });

  test('does not wait for less than a block', () => {
    const { add, step } = scheduling(100, 20);
    add(prompt(12, 0));
    add([...prompt(7, 0), 500]);
    expect(step()).toEqual([
      [1, 12],
      [2, 8],
    ]);
  });

  test('preempts the newest sequence and computes it anew before those that came later', () => {
    const { blocks, scheduler, add, step } = scheduling(4, 100);
    const first = add(prompt(16, 0));
    const second = add(prompt(14, 100));
    expect(step()).toEqual([
      [1, 16],
      [2, 14],
    ]);
    const third = add(prompt(4, 200));
    // The first needs a third block: the second has to go, and nobody comes in this step.
    expect(step()).toEqual([[1, 1]]);
    expect([scheduler.running, scheduler.waiting]).toEqual([[first], [second, third]]);
    expect([scheduler.preemptions, second.preemptions, blocks.has(second.id)]).toEqual([1, 1, false]);
    expect(step()).toEqual([[1, 1]]);
    scheduler.remove(first);
    // Its first block was kept.
    expect(step()).toEqual([
      [2, 15 - BLOCK_SIZE],
      [3, 4],
    ]);
  });

  test('takes a preempted sequence back out of the step that it was part of', () => {
    const { scheduler, add, step } = scheduling(9, 30);
    const shared = prompt(16, 0);
    add([...shared, ...prompt(7, 1000)]);
    add([...shared, ...prompt(40, 2000)]);
    const third = add([3000]);
    expect(step()).toEqual([
      [1, 23],
      [3, 1],
    ]);
    expect(step()).toEqual([
      [1, 1],
      [3, 1],
      [2, 28],
    ]);
    // The first takes the last block, so the second, in prefill, takes that of the third, which had its turn before.
    expect(step()).toEqual([
      [1, 1],
      [2, 12],
    ]);
    expect(scheduler.waiting).toEqual([third]);
  });

  test('a long prompt comes in only when the blocks for all of it are there', () => {
    const { scheduler, add, step } = scheduling(6, 10);
    const first = add(prompt(17, 0));
    add(prompt(30, 100));
    add(prompt(3, 200)); // does not overtake
    expect([step(), step(), step()]).toEqual([[[1, 10]], [[1, 7]], [[1, 1]]]);
    scheduler.remove(first);
    expect(step()).toEqual([[2, 10]]);
  });
});
