import { setImmediate as nextTurn } from 'node:timers/promises';
import { BlockManager, PagedKVCache } from '@attention-js/core';
import { afterAll, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { POISON, PoisonedModel } from '../testing/poisoned_model.ts';
import { VOCAB_SIZE, expectNoLeaksInEachTest, testEngine, tokens } from '../testing/test_engine.ts';
import type { Engine } from './engine.ts';
import type { EngineLimits } from './engine_options.ts';
import type { GenerateOptions } from './generate_options.ts';

interface RandomRequest {
  prompt: number[];
  options: GenerateOptions;
  /** Turns of the event loop after which it comes, and after which it is aborted, if it is. */
  comesAfter: number;
  abortedAfter: number | undefined;
}

/** What becomes of a request: its tokens, or why there are none. */
type Outcome = { tokenIds: number[]; finishReason: string } | { code: string };

const badOptions: GenerateOptions[] = [
  { temperature: 1e39 },
  { repetitionPenalty: 1e-46 },
  { topP: 0 },
  { maxTokens: 0 },
  { top_k: 4 } as GenerateOptions,
];

const options: fc.Arbitrary<GenerateOptions> = fc.record({
  maxTokens: fc.constantFrom(3, 30, 45, 50),
  seed: fc.integer({ min: 0, max: 5 }),
  temperature: fc.constantFrom(0, 0.7, 1.2),
  topK: fc.constantFrom(0, 3),
  repetitionPenalty: fc.constantFrom(1, 1.4),
  frequencyPenalty: fc.constantFrom(0, 0.5),
  salt: fc.constantFrom(undefined, 'customer'),
});

const request: fc.Arbitrary<RandomRequest> = fc
  .record({
    shared: fc.nat(18),
    own: fc.array(fc.nat(VOCAB_SIZE - 2), { maxLength: 8 }),
    kind: fc.constantFrom('healthy', 'healthy', 'healthy', 'healthy', 'poisoned', 'bad', 'aborted'),
    options,
    bad: fc.constantFrom(...badOptions),
    comesAfter: fc.nat(4),
    turns: fc.nat(10),
  })
  .map(({ shared, own, kind, bad, comesAfter, turns, ...rest }) => ({
    prompt: [
      1,
      ...tokens(shared).map((token) => token % POISON),
      ...own,
      ...(kind === 'poisoned' ? [POISON] : []),
    ],
    options: { ...rest.options, ...(kind === 'bad' ? bad : {}) },
    comesAfter,
    abortedAfter: kind === 'aborted' ? comesAfter + turns : undefined,
  }));

const limits: fc.Arbitrary<EngineLimits> = fc.record({
  maxTokensPerStep: fc.constantFrom(3, 12, 60),
  maxSequences: fc.constantFrom(3, 8),
  numBlocks: fc.constantFrom(15, 20),
  prefixCache: fc.boolean(),
});

const allocate = jest.spyOn(BlockManager.prototype, 'allocate'); // tells which manager an engine has
afterAll(() => allocate.mockRestore());
expectNoLeaksInEachTest();

const codeOf = (error: unknown): Outcome => ({ code: (error as { code: string }).code });

function start(engine: Engine, { prompt, options: given }: RandomRequest) {
  try {
    const stream = engine.generate(prompt, given);
    const outcome = stream.result.then(
      ({ tokenIds, finishReason }): Outcome => ({ tokenIds, finishReason }),
      codeOf,
    );
    return { outcome, abort: () => stream.abort() };
  } catch (error) {
    return { outcome: Promise.resolve(codeOf(error)), abort: () => {} };
  }
}

async function alone(one: RandomRequest): Promise<Outcome> {
  using engine = testEngine({ model: new PoisonedModel(), prefixCache: false, maxTokensPerStep: 1000 });
  return await start(engine, one).outcome;
}

/** Ends all forks, and lets new ones share the blocks of every second request, for a turn: those copy their last block. */
function shareBlocks(blocks: BlockManager, mostRequests: number, shares: boolean): void {
  const { used, total } = blocks.stats();
  for (let id = 1; id <= mostRequests; id++) {
    const fork = `fork of ${id}`;
    if (blocks.has(fork)) blocks.free(fork);
    // Forks that held much of the cache would keep the scheduler from what it may count on.
    if (!shares || id % 2 === 0 || used > total / 3 || !blocks.has(id)) continue;
    const { committed, length } = blocks.sequence(id);
    if (committed === length) blocks.fork(id, fork);
  }
}

async function together(requests: readonly RandomRequest[], chosen: EngineLimits) {
  allocate.mockClear();
  using engine = testEngine({ model: new PoisonedModel(), ...chosen });
  const started = new Map<RandomRequest, ReturnType<typeof start>>();
  const turns = requests.map(({ comesAfter, abortedAfter = 0 }) => Math.max(comesAfter, abortedAfter));
  const isBusy = () => engine.stats().requests.running + engine.stats().requests.waiting > 0;
  const managers = allocate.mock.contexts as BlockManager[];
  for (let turn = 0; turn <= Math.max(...turns) || isBusy(); turn++) {
    for (const one of requests) if (one.comesAfter === turn) started.set(one, start(engine, one));
    for (const one of requests) if (one.abortedAfter === turn) started.get(one)?.abort();
    if (managers.length > 0) shareBlocks(managers[0], requests.length, turn % 3 === 1);
    await nextTurn();
  }
  if (managers.length > 0) shareBlocks(managers[0], requests.length, false);
  const outcomes: Outcome[] = [];
  for (const one of requests) outcomes.push((await started.get(one)?.outcome) as Outcome);
  const { requests: counts, cache, preemptions } = engine.stats();
  expect(cache.usedBlocks).toBe(0);
  return { outcomes, counts, preemptions };
}

/** What a request must come to, by what it comes to alone: the same, or the beginning of it if it was aborted. */
function expected(outcome: Outcome, lonely: Outcome): Outcome {
  const isAborted = 'tokenIds' in outcome && outcome.finishReason === 'abort';
  if (!isAborted) return lonely;
  const tokenIds = 'tokenIds' in lonely ? lonely.tokenIds.slice(0, outcome.tokenIds.length) : [];
  return { tokenIds, finishReason: 'abort' };
}

test('every healthy request gets the tokens that it gets alone, whatever happens to the others', async () => {
  let [preemptions, failed, aborted, copies] = [0, 0, 0, 0];
  const apply = jest.spyOn(PagedKVCache.prototype, 'apply');
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 4, maxLength: 8 }), limits, async (requests, chosen) => {
      const { outcomes, counts, ...rest } = await together(requests, chosen);
      preemptions += rest.preemptions;
      failed += counts.failed;
      aborted += counts.aborted;
      for (const [i, one] of requests.entries()) {
        expect(outcomes[i]).toEqual(expected(outcomes[i], await alone(one)));
      }
    }),
    { numRuns: 15 },
  );
  copies = apply.mock.calls.length;
  apply.mockRestore();
  for (const count of [preemptions, failed, aborted, copies]) expect(count).toBeGreaterThan(0); // all was tried
}, 120_000);
