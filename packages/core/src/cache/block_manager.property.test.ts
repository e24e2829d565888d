import assert from 'node:assert/strict';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AttentionError } from '../errors.ts';
import { BlockManager } from './block_manager.ts';
import type { BlockHash } from './prefix_index.ts';

/** A sequence in the model. */
interface ModelSequence {
  tokens: number[];
  salt: string;
  length: number;
  committed: number;
  /** Leading tokens whose ids the manager knows. */
  known: number;
  swappedOut: boolean;
}

type Operation =
  | { kind: 'allocate'; tokens: number[]; salt: string; reserve?: number }
  | { kind: 'append'; of: number; tokens: number[]; withIds: boolean }
  | { kind: 'commit'; of: number; share: number; withIds: boolean }
  | { kind: 'fork' | 'free' | 'swapOut' | 'swapIn'; of: number }
  | { kind: 'truncate'; of: number; share: number };

const BLOCK_SIZE = 4;
const NUM_BLOCKS = 12;
const NUM_HOST_BLOCKS = 5;

/**
 * A BlockManager with a model of the memory that it manages. Each slot of the memory holds a number that represents
 * what keys and values depend on: the salt and all tokens up to this one. Whatever the manager does, each committed
 * token of each sequence must find its own number.
 */
class Simulation {
  readonly manager: BlockManager;
  readonly sequences = new Map<number, ModelSequence>();
  readonly memory = new Int32Array(NUM_BLOCKS * BLOCK_SIZE);
  readonly hostMemory = new Int32Array(NUM_HOST_BLOCKS * BLOCK_SIZE);
  /** Contents at the ends of full blocks that were committed with known ids. */
  readonly indexed = new Set<number>();
  #nextId = 0;

  constructor(hash: BlockHash | undefined, watermark: number, prefixCache: boolean) {
    const sizes = { numBlocks: NUM_BLOCKS, blockSize: BLOCK_SIZE, numHostBlocks: NUM_HOST_BLOCKS };
    this.manager = new BlockManager({ ...sizes, watermark, prefixCache, hash });
  }

  run(operation: Operation): void {
    if (operation.kind === 'allocate') {
      this.#allocate(operation);
      return;
    }
    const ids = [...this.sequences.keys()];
    if (ids.length === 0) return;
    const id = ids[operation.of % ids.length];
    const sequence = this.sequences.get(id) as ModelSequence;
    if (operation.kind === 'free') {
      this.manager.free(id);
      this.sequences.delete(id);
    } else if (operation.kind === 'swapIn') {
      if (sequence.swappedOut) this.#swapIn(id, sequence);
    } else if (!sequence.swappedOut) {
      if (operation.kind === 'append') this.#append(id, sequence, operation);
      if (operation.kind === 'commit') this.#commit(id, sequence, operation);
      if (operation.kind === 'truncate') this.#truncate(id, sequence, operation.share);
      if (operation.kind === 'fork') this.#fork(id, sequence);
      if (operation.kind === 'swapOut') this.#swapOut(id, sequence);
    }
  }

  #allocate({ tokens, salt, reserve }: Extract<Operation, { kind: 'allocate' }>): void {
    const id = this.#nextId++;
    const expected = this.manager.canAllocate(tokens, { salt, reserve });
    const result = this.#unlessOutOfBlocks(() => this.manager.allocate(id, tokens, { salt, reserve }));
    assert.equal(result !== undefined, expected);
    if (!result) return;
    const { cachedTokens } = result;
    const length = Math.min(tokens.length, cachedTokens + (reserve ?? tokens.length));
    const sequence = { tokens, salt, length, committed: cachedTokens, known: length, swappedOut: false };
    this.sequences.set(id, sequence);
    assert.equal(cachedTokens % BLOCK_SIZE, 0);
    assert.ok(cachedTokens <= Math.max(0, tokens.length - 1));
    if (this.manager.stats().evictions === 0) assert.equal(cachedTokens, this.#longestIndexed(sequence));
  }

  #append(id: number, sequence: ModelSequence, operation: Extract<Operation, { kind: 'append' }>): void {
    const { length } = sequence;
    const given = operation.tokens;
    // If a prompt was allocated in part, its remaining tokens come next.
    const all = length < sequence.tokens.length ? sequence.tokens : [...sequence.tokens, ...given];
    const added = all.slice(length, length + given.length);
    const table = this.manager.blockTable(id).slice();
    const shared = length % BLOCK_SIZE !== 0 && this.#owners().get(table[table.length - 1]) !== 1;
    const copies = shared && added.length > 0 ? 1 : 0;
    const needed = Math.ceil((length + added.length) / BLOCK_SIZE) - table.length + copies;
    const { free, cached } = this.manager.stats();
    assert.equal(this.manager.canAppend(id, added.length), needed <= free + cached);
    const argument = operation.withIds ? added : added.length;
    const result = this.#unlessOutOfBlocks(() => this.manager.append(id, argument));
    assert.equal(result !== undefined, needed <= free + cached);
    if (!result) return;
    assert.equal(result.copies.length, 2 * copies);
    assert.deepEqual(result.slots, this.manager.slots(id, length, length + added.length));
    copyBlocks(this.memory, this.memory, result.copies);
    sequence.tokens = all;
    sequence.length = length + added.length;
    if (operation.withIds && sequence.known === length) sequence.known = sequence.length;
  }

  #commit(id: number, sequence: ModelSequence, operation: Extract<Operation, { kind: 'commit' }>): void {
    const { committed, length, tokens } = sequence;
    const count = Math.round(operation.share * (length - committed));
    const slots = this.manager.slots(id, committed, committed + count);
    const owners = this.#owners();
    const contents = contentsOf(sequence);
    slots.forEach((slot, i) => {
      assert.equal(owners.get(Math.floor(slot / BLOCK_SIZE)), 1); // no other sequence reads what is written
      this.memory[slot] = contents[committed + i];
    });
    this.manager.commit(id, operation.withIds ? tokens.slice(committed, committed + count) : count);
    sequence.committed = committed + count;
    if (operation.withIds && sequence.known >= committed) {
      sequence.known = Math.max(sequence.known, sequence.committed);
    }
    const full = Math.floor(Math.min(sequence.committed, sequence.known) / BLOCK_SIZE);
    for (let i = 1; i <= full; i++) this.indexed.add(contents[i * BLOCK_SIZE - 1]);
  }

  #truncate(id: number, sequence: ModelSequence, share: number): void {
    const { committed, length } = sequence;
    sequence.length = committed + Math.round(share * (length - committed));
    sequence.known = Math.min(sequence.known, sequence.length);
    this.manager.truncate(id, sequence.length);
  }

  #fork(id: number, sequence: ModelSequence): void {
    if (sequence.committed < sequence.length) {
      assert.throws(() => this.manager.fork(id, this.#nextId), { code: 'ERR_RANGE' });
      return;
    }
    const { used } = this.manager.stats();
    this.manager.fork(id, this.#nextId);
    assert.equal(this.manager.stats().used, used);
    this.sequences.set(this.#nextId++, { ...sequence });
  }

  #swapOut(id: number, sequence: ModelSequence): void {
    const needed = Math.ceil(sequence.committed / BLOCK_SIZE);
    const { hostFree } = this.manager.stats();
    const pairs = this.#unlessOutOfBlocks(() => this.manager.swapOut(id));
    assert.equal(pairs !== undefined, needed <= hostFree);
    if (!pairs) return;
    assert.equal(pairs.length, 2 * needed);
    copyBlocks(this.memory, this.hostMemory, pairs);
    sequence.swappedOut = true;
  }

  #swapIn(id: number, sequence: ModelSequence): void {
    const pairs = this.#unlessOutOfBlocks(() => this.manager.swapIn(id));
    if (!pairs) return;
    copyBlocks(this.hostMemory, this.memory, pairs);
    sequence.swappedOut = false;
  }

  /** Runs a call that may run out of blocks, and checks that it then changed nothing. */
  #unlessOutOfBlocks<T>(call: () => T): T | undefined {
    const before = this.#snapshot();
    try {
      return call();
    } catch (error) {
      if (!(error instanceof AttentionError) || error.code !== 'ERR_OUT_OF_BLOCKS') throw error;
      assert.deepEqual(this.#snapshot(), before);
      return undefined;
    }
  }

  #snapshot(): unknown {
    const sequences = [...this.sequences].map(([id, { swappedOut }]) => [
      id,
      this.manager.sequence(id),
      swappedOut ? [] : [...this.manager.blockTable(id)],
    ]);
    return { stats: this.manager.stats(), sequences };
  }

  #longestIndexed(sequence: ModelSequence): number {
    const limit = Math.floor((sequence.tokens.length - 1) / BLOCK_SIZE);
    const contents = contentsOf(sequence);
    let blocks = 0;
    while (blocks < limit && this.indexed.has(contents[(blocks + 1) * BLOCK_SIZE - 1])) blocks++;
    return blocks * BLOCK_SIZE;
  }

  #owners(): Map<number, number> {
    const owners = new Map<number, number>();
    for (const [id, { swappedOut }] of this.sequences) {
      if (swappedOut) continue;
      const table = this.manager.blockTable(id);
      assert.equal(new Set(table).size, table.length);
      for (const block of table) owners.set(block, (owners.get(block) ?? 0) + 1);
    }
    return owners;
  }

  check(): void {
    const { total, free, used, cached, hostTotal, hostFree, sequences } = this.manager.stats();
    const owners = this.#owners();
    assert.equal(free + used + cached, total);
    assert.equal(used, owners.size);
    assert.equal(sequences, this.sequences.size);
    let hostUsed = 0;
    for (const [id, sequence] of this.sequences) {
      const { length, committed, swappedOut } = sequence;
      assert.deepEqual(this.manager.sequence(id), { length, committed, swappedOut });
      if (swappedOut) {
        hostUsed += Math.ceil(committed / BLOCK_SIZE);
        continue;
      }
      const table = this.manager.blockTable(id);
      assert.equal(table.length, Math.ceil(length / BLOCK_SIZE));
      const slots = this.manager.slots(id, 0, length);
      const held = Array.from(slots.subarray(0, committed), (slot) => this.memory[slot]);
      assert.deepEqual(held, contentsOf(sequence).slice(0, committed));
      for (const slot of slots.subarray(committed))
        assert.equal(owners.get(Math.floor(slot / BLOCK_SIZE)), 1);
    }
    assert.equal(hostTotal - hostFree, hostUsed);
  }

  /** Frees everything, and checks that the whole cache is available again. */
  finish(): void {
    for (const id of this.sequences.keys()) this.manager.free(id);
    const { total, free, cached, used, hostTotal, hostFree } = this.manager.stats();
    assert.deepEqual([used, free + cached, hostFree], [0, total, hostTotal]);
    this.manager.allocate('all', NUM_BLOCKS * BLOCK_SIZE);
    assert.equal(this.manager.stats().used, total);
    assert.deepEqual(
      new Set(this.manager.blockTable('all')),
      new Set(Array.from({ length: NUM_BLOCKS }).keys()),
    );
  }
}

const contentNumbers = new Map<string, number>();

/** For each token, a number that represents the salt and all tokens up to it: equal if and only if these are equal. */
function contentsOf({ salt, tokens }: ModelSequence): number[] {
  let content = salt === '' ? -1 : -2;
  return tokens.map((id) => {
    const name = `${content} ${id}`;
    content = contentNumbers.get(name) ?? contentNumbers.size + 1;
    contentNumbers.set(name, content);
    return content;
  });
}

function copyBlocks(source: Int32Array, destination: Int32Array, pairs: Int32Array): void {
  for (let i = 0; i < pairs.length; i += 2) {
    for (let offset = 0; offset < BLOCK_SIZE; offset++) {
      destination[pairs[i + 1] * BLOCK_SIZE + offset] = source[pairs[i] * BLOCK_SIZE + offset];
    }
  }
}

// Few tokens and salts, so that prefixes often match.
const token = fc.constantFrom(0, 0, 0, 1);
const of = fc.nat(100);
const share = fc.constantFrom(0, 0.5, 1, 1, 1, 1);
const mostly = fc.constantFrom(true, true, true, true, false);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('allocate' as const),
      tokens: fc.array(token, { maxLength: 18, size: 'max' }),
      salt: fc.constantFrom('', '', '', 'salt'),
      reserve: fc.option(fc.nat(6), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      of,
      tokens: fc.array(token, { maxLength: 5, size: 'max' }),
      withIds: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), of, share, withIds: mostly }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), of, share }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('fork', 'fork', 'free', 'free', 'free', 'swapOut', 'swapIn'),
      of,
    }),
  },
);

const operations = fc.array(operation, { minLength: 1, maxLength: 120, size: 'max' });

test.each<[string, BlockHash | undefined]>([
  ['the hash', undefined],
  ['a hash that always collides', () => 7],
  ['a hash of the first token alone', (_parent, tokens, start) => tokens[start]],
])('any sequence of operations keeps every token in its own block, with %s', (_title, hash) => {
  fc.assert(
    fc.property(operations, fc.constantFrom(0, 0, 0.25), (sequence, watermark) => {
      const simulation = new Simulation(hash, watermark, true);
      for (const next of sequence) {
        simulation.run(next);
        simulation.check();
      }
      simulation.finish();
    }),
    { numRuns: 100 },
  );
});

test('without the prefix cache, nothing is cached or hit', () => {
  fc.assert(
    fc.property(operations, (sequence) => {
      const simulation = new Simulation(undefined, 0, false);
      simulation.indexed.add = () => simulation.indexed;
      for (const next of sequence) {
        simulation.run(next);
        simulation.check();
        expect(simulation.manager.stats()).toMatchObject({ cached: 0, hits: 0, queries: 0, evictions: 0 });
      }
      simulation.finish();
    }),
    { numRuns: 20 },
  );
});
