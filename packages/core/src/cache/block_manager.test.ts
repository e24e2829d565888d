import { describe, expect, test } from '@jest/globals';
import { expectAttentionError } from '../testing/compare.ts';
import { BlockManager } from './block_manager.ts';
import type { BlockManagerOptions } from './block_manager.ts';

const prompt = (length: number, first = 0): number[] => Array.from({ length }, (_, i) => first + i);

function makeManager(options: Partial<BlockManagerOptions> = {}): BlockManager {
  return new BlockManager({ numBlocks: 8, blockSize: 4, ...options });
}

/** A sequence whose prompt was computed. */
function addComputed(manager: BlockManager, id: string, tokens: number[], salt = ''): number {
  const { cachedTokens } = manager.allocate(id, tokens, { salt });
  manager.commit(id, tokens.length - cachedTokens);
  return cachedTokens;
}

describe('BlockManager, the life of a sequence', () => {
  test('allocates blocks for a prompt, and slots for its chunks and generated tokens', () => {
    const manager = makeManager();
    expect(manager.allocate('a', prompt(6))).toEqual({ cachedTokens: 0 });
    const table = [...manager.blockTable('a')];
    expect(table).toHaveLength(2);
    const slot = (position: number): number => table[Math.floor(position / 4)] * 4 + (position % 4);
    expect([...manager.slots('a', 0, 3)]).toEqual([0, 1, 2].map(slot));
    manager.commit('a', 3);
    expect([...manager.slots('a', 3, 6)]).toEqual([3, 4, 5].map(slot));
    manager.commit('a', 3);
    const first = manager.append('a', [6]);
    expect(first).toEqual({ slots: Int32Array.of(slot(6)), copies: new Int32Array(0) });
    manager.commit('a', 1);
    manager.append('a', [7, 8]);
    expect(manager.blockTable('a')).toHaveLength(3);
    expect(manager.sequence('a')).toEqual({ length: 9, committed: 7, swappedOut: false });
    manager.free('a');
    expect(manager.has('a')).toBe(false);
    expect(manager.stats()).toMatchObject({ total: 8, free: 7, used: 0, cached: 1, sequences: 0 });
  });

  test('allocates blocks chunk by chunk with reserve', () => {
    const manager = makeManager();
    addComputed(manager, 'before', prompt(8));
    manager.free('before');
    expect(manager.allocate('a', prompt(20), { reserve: 3 })).toEqual({ cachedTokens: 8 });
    expect(manager.sequence('a')).toEqual({ length: 11, committed: 8, swappedOut: false });
    expect(manager.blockTable('a')).toHaveLength(3);
    manager.commit('a', 3);
    expect(manager.append('a', prompt(5, 11)).slots).toHaveLength(5);
    manager.commit('a', 5);
    expect(addComputed(manager, 'b', prompt(17))).toBe(16); // the chunks were indexed as one prompt
  });

  test('releases slots of rejected draft tokens', () => {
    const manager = makeManager();
    addComputed(manager, 'a', prompt(6));
    manager.append('a', 5);
    expect(manager.blockTable('a')).toHaveLength(3);
    manager.commit('a', [60]);
    manager.truncate('a', 7);
    expect(manager.blockTable('a')).toHaveLength(2);
    manager.append('a', [70]);
    manager.commit('a', 1);
    expect(addComputed(manager, 'b', [...prompt(6), 60, 70, 0])).toBe(8);
  });

  test('forgets the ids of released tokens', () => {
    const manager = makeManager();
    addComputed(manager, 'a', prompt(6));
    manager.append('a', [60, 61]);
    manager.truncate('a', 6);
    manager.append('a', 2); // tokens of unknown ids in the same slots
    manager.commit('a', 2);
    expect(addComputed(manager, 'b', [...prompt(6), 60, 61, 0])).toBe(4);
  });

  test('starts with an empty prompt', () => {
    const manager = makeManager();
    manager.allocate('a', []);
    expect(manager.blockTable('a')).toHaveLength(0);
    expect(manager.append('a', [1]).slots).toHaveLength(1);
  });
});

describe('BlockManager, the prefix cache', () => {
  test('finds committed full blocks, never the last token of a prompt', () => {
    const manager = makeManager({ numBlocks: 32 });
    manager.allocate('a', prompt(12));
    expect(addComputed(manager, 'before', prompt(12))).toBe(0); // not committed yet
    manager.commit('a', 11);
    expect(addComputed(manager, 'b', prompt(12))).toBe(8);
    expect(addComputed(manager, 'c', prompt(13))).toBe(12); // by now, `before` has the third block
    expect(addComputed(manager, 'd', [...prompt(4), 99, ...prompt(4)])).toBe(4);
    expect(addComputed(manager, 'e', prompt(12, 1))).toBe(0);
    expect([...manager.blockTable('b').subarray(0, 2)]).toEqual([
      ...manager.blockTable('before').subarray(0, 2),
    ]);
    expect(manager.stats()).toMatchObject({ queries: 12 + 12 + 12 + 13 + 9 + 12, hits: 8 + 12 + 4 });
  });

  test('distinguishes equal blocks after different prefixes', () => {
    const manager = makeManager();
    addComputed(manager, 'a', [...prompt(4), ...prompt(4, 50)]);
    expect(addComputed(manager, 'b', [...prompt(4, 20), ...prompt(5, 50)])).toBe(0);
  });

  test('shares nothing between salts', () => {
    const manager = makeManager({ numBlocks: 32 });
    addComputed(manager, 'a', prompt(9), 'ann');
    expect(addComputed(manager, 'b', prompt(9), 'bob')).toBe(0);
    expect(addComputed(manager, 'c', prompt(9))).toBe(0);
    expect(addComputed(manager, 'd', prompt(9), 'ann')).toBe(8);
  });

  test('forgets the salt of an evicted block', () => {
    const manager = makeManager({ numBlocks: 2 });
    addComputed(manager, 'a', prompt(4), 'ann');
    manager.free('a');
    manager.allocate('b', 8); // evicts it
    manager.free('b');
    addComputed(manager, 'c', prompt(8));
    manager.free('c');
    expect(manager.allocate('d', prompt(5), { salt: 'ann' })).toEqual({ cachedTokens: 0 });
    manager.free('d');
    addComputed(manager, 'e', prompt(4));
    expect(manager.allocate('f', prompt(5))).toEqual({ cachedTokens: 4 });
  });

  test('computes equal concurrent prompts separately, and keeps one', () => {
    const manager = makeManager();
    manager.allocate('a', prompt(8));
    manager.allocate('b', prompt(8));
    manager.commit('a', 8);
    manager.commit('b', 8);
    expect(manager.stats().used).toBe(4);
    manager.free('a');
    manager.free('b');
    expect(manager.stats()).toMatchObject({ free: 6, cached: 2, used: 0 });
    expect(addComputed(manager, 'c', prompt(9))).toBe(8);
  });

  test('evicts the least recently used, and a prefix from its end', () => {
    const manager = makeManager({ numBlocks: 5 });
    addComputed(manager, 'old', prompt(8));
    addComputed(manager, 'new', prompt(8, 100));
    manager.free('old');
    manager.free('new');
    manager.allocate('x', 8); // one free block, then the last block of `old`
    expect(manager.stats()).toMatchObject({ free: 0, cached: 3, used: 2, evictions: 1 });
    manager.free('x');
    expect(addComputed(manager, 'again', prompt(9))).toBe(4);
    manager.free('again');
    expect(addComputed(manager, 'newer', prompt(9, 100))).toBe(8);
  });

  test('keeps referenced blocks from eviction', () => {
    const manager = makeManager({ numBlocks: 3 });
    addComputed(manager, 'a', prompt(4));
    manager.allocate('b', 8);
    expect(() => manager.append('b', 1)).toThrow('[BlockManager.append] blocks');
    manager.free('b');
    expect(addComputed(manager, 'c', prompt(5))).toBe(4);
  });

  test('does not find a child of an evicted block whose number another block took, even if hashes collide', () => {
    const manager = makeManager({ numBlocks: 3, hash: () => 1 });
    manager.allocate('a', prompt(4));
    manager.allocate('b', prompt(4));
    manager.commit('a', 4);
    const [parent] = manager.blockTable('a');
    manager.commit('b', 4); // the same content, so that its child will be a child of `parent`
    manager.free('a');
    manager.append('b', prompt(4, 40));
    manager.commit('b', 4);
    addComputed(manager, 'c', prompt(4, 20));
    expect([...manager.blockTable('c')]).toEqual([parent]);
    manager.free('b');
    expect(manager.stats().cached).toBe(1); // the child
    expect(addComputed(manager, 'd', [...prompt(4, 20), ...prompt(5, 40)])).toBe(4);
  });

  test('can be turned off', () => {
    const manager = makeManager({ prefixCache: false });
    addComputed(manager, 'a', prompt(8));
    manager.free('a');
    expect(addComputed(manager, 'b', prompt(8))).toBe(0);
    manager.free('b');
    expect(manager.stats()).toMatchObject({ free: 8, cached: 0, hits: 0, queries: 0 });
  });

  test('needs ids: tokens given by number are not found, those with ids at commit are', () => {
    const manager = makeManager({ numBlocks: 16 });
    manager.allocate('a', prompt(2));
    manager.append('a', 2);
    manager.commit('a', 4);
    expect(addComputed(manager, 'b', prompt(5))).toBe(0);
    manager.allocate('c', prompt(6));
    manager.append('c', 2);
    manager.commit('c', 2); // the first four are cached
    manager.commit('c', [6, 7]);
    expect(addComputed(manager, 'd', prompt(9))).toBe(8);
  });
});

describe('BlockManager, fork and swap', () => {
  test('shares blocks until one side writes, then copies', () => {
    const manager = makeManager();
    addComputed(manager, 'a', prompt(6));
    manager.fork('a', 'b');
    expect(manager.stats().used).toBe(2);
    const [, shared] = manager.blockTable('a');
    const { slots, copies } = manager.append('a', [6]);
    const [, copy] = manager.blockTable('a');
    expect([...copies]).toEqual([shared, copy]);
    expect([...slots]).toEqual([copy * 4 + 2]);
    expect(manager.append('b', [7])).toEqual({
      slots: Int32Array.of(shared * 4 + 2),
      copies: new Int32Array(0),
    });
    expect(manager.stats().used).toBe(3);
  });

  test('both sides of a fork are found by their continuation', () => {
    const manager = makeManager({ numBlocks: 32 });
    addComputed(manager, 'a', prompt(6));
    manager.fork('a', 'b');
    manager.append('a', [10, 11]);
    manager.append('b', [20, 21]);
    manager.commit('a', 2);
    manager.commit('b', 2);
    expect(addComputed(manager, 'c', [...prompt(6), 10, 11, 0])).toBe(8);
    expect(addComputed(manager, 'd', [...prompt(6), 20, 21, 0])).toBe(8);
    expect(manager.blockTable('c')[1]).toBe(manager.blockTable('a')[1]);
    expect(manager.blockTable('d')[1]).toBe(manager.blockTable('b')[1]);
  });

  test('a fork at a block boundary copies nothing', () => {
    const manager = makeManager();
    addComputed(manager, 'a', prompt(8));
    manager.fork('a', 'b');
    expect(manager.append('a', [8]).copies).toHaveLength(0);
    expect(manager.append('b', [9]).copies).toHaveLength(0);
    expect(manager.stats().used).toBe(4);
  });

  test('swaps out and in', () => {
    const manager = makeManager({ numHostBlocks: 3, prefixCache: false });
    addComputed(manager, 'a', prompt(6));
    manager.append('a', [6, 7, 8]);
    const before = [...manager.blockTable('a')];
    const out = manager.swapOut('a');
    expect([out[0], out[2]]).toEqual(before.slice(0, 2)); // the third block is still empty
    expect(manager.stats()).toMatchObject({ used: 0, sequences: 1, hostTotal: 3, hostFree: 1 });
    expect(manager.sequence('a')).toEqual({ length: 9, committed: 6, swappedOut: true });
    manager.allocate('b', 3);
    const back = manager.swapIn('a');
    expect([back[0], back[2]]).toEqual([out[1], out[3]]);
    expect([back[1], back[3]]).toEqual([...manager.blockTable('a').subarray(0, 2)]);
    expect(manager.blockTable('a')).toHaveLength(3);
    expect(manager.stats()).toMatchObject({ used: 4, hostFree: 3 });
  });

  test('copies back only blocks that the prefix cache has evicted', () => {
    const manager = makeManager({ numHostBlocks: 3 });
    addComputed(manager, 'a', prompt(10));
    const [first] = manager.blockTable('a');
    expect(manager.swapOut('a')).toHaveLength(6);
    manager.allocate('b', 28); // takes the six free blocks and evicts the second block of `a`
    manager.free('b');
    expect(manager.swapIn('a')).toHaveLength(4);
    expect(manager.blockTable('a')[0]).toBe(first);
    manager.append('a', [10, 11]);
    manager.commit('a', 2);
    expect(addComputed(manager, 'c', prompt(13))).toBe(12);
  });
});

describe('BlockManager, exhaustion', () => {
  test('reports what is needed, what is available, and what would help', () => {
    const manager = makeManager();
    addComputed(manager, 'a', prompt(20));
    addComputed(manager, 'b', prompt(4, 50));
    manager.free('b');
    expect(manager.canAllocate(13)).toBe(false);
    expectAttentionError(
      () => manager.allocate('c', 13),
      'ERR_OUT_OF_BLOCKS',
      '[BlockManager.allocate] blocks: expected 4 available, received 3 (2 free, 1 cached) of 8; ' +
        'free, swap out or preempt a sequence, or raise numBlocks',
    );
    expect(manager.has('c')).toBe(false);
    expectAttentionError(
      () => manager.allocate('c', 33),
      'ERR_OUT_OF_BLOCKS',
      /expected 9 available.*the cache holds 32 tokens in total: raise numBlocks or shorten the sequence$/,
    );
    expect(manager.canAllocate(12)).toBe(true);
    manager.allocate('c', 12);
    expect(manager.canAppend('c')).toBe(false);
    expectAttentionError(() => manager.append('c', [1]), 'ERR_OUT_OF_BLOCKS', /append.*expected 1 available/);
    expect(manager.sequence('c').length).toBe(12);
    expectAttentionError(
      () => manager.swapOut('a'),
      'ERR_OUT_OF_BLOCKS',
      '[BlockManager.swapOut] host blocks: expected 5 free, received 0 of 0; free or swap in another sequence, ' +
        'raise numHostBlocks, or preempt by recompute: free it and allocate it again',
    );
    manager.free('c');
    manager.append('a', 1);
  });

  test('counts the copy of a shared last block', () => {
    const manager = makeManager({ numBlocks: 2 });
    addComputed(manager, 'a', prompt(6));
    manager.fork('a', 'b');
    expect(manager.canAppend('a')).toBe(false);
    expectAttentionError(() => manager.append('a', 1), 'ERR_OUT_OF_BLOCKS', /expected 1 available/);
    manager.free('b');
    expect(manager.canAppend('a')).toBe(true);
  });

  test('a prompt with cached blocks needs only the others', () => {
    const manager = makeManager({ numBlocks: 3 });
    addComputed(manager, 'a', prompt(9));
    expect(manager.canAllocate(prompt(9))).toBe(false);
    manager.free('a');
    expect(addComputed(manager, 'b', prompt(9))).toBe(8);
  });

  test('reserves the watermark for running sequences, but not from a lone sequence', () => {
    const manager = makeManager({ watermark: 0.25, numHostBlocks: 8 });
    manager.allocate('a', 4);
    expect(manager.canAllocate(24)).toBe(false);
    expectAttentionError(
      () => manager.allocate('b', 24),
      'ERR_OUT_OF_BLOCKS',
      /expected 6 available in addition to the 2 of the watermark, received 7 \(7 free/,
    );
    manager.allocate('b', 20);
    manager.append('a', 8);
    manager.swapOut('a');
    expect(() => manager.swapIn('a')).toThrow('in addition to the 2 of the watermark');
    manager.free('b');
    manager.swapIn('a');
    manager.free('a');
    manager.allocate('c', 32);
  });
});

describe('BlockManager, input rules', () => {
  test.each<[string, Partial<BlockManagerOptions>, string]>([
    ['numBlocks', { numBlocks: 0 }, 'numBlocks: expected an integer >= 1 and <= 536870911, received 0'],
    [
      'slots in int32',
      { numBlocks: 2 ** 29 },
      'numBlocks: expected an integer >= 1 and <= 536870911, received 536870912',
    ],
    ['blockSize', { blockSize: 1.5 }, 'blockSize: expected an integer >= 1 and <= 65536, received 1.5'],
    [
      'watermark of the wrong kind',
      { watermark: '0.5' as unknown as number },
      'watermark: expected a number >= 0 and < 1, received "0.5"',
    ],
    ['watermark', { watermark: 1 }, 'watermark: expected a number >= 0 and < 1, received 1'],
    [
      'numHostBlocks',
      { numHostBlocks: -1 },
      'numHostBlocks: expected an integer >= 0 and <= 536870911, received -1',
    ],
  ])('%s', (_title, options, message) => {
    expectAttentionError(() => makeManager(options), 'ERR_RANGE', `[BlockManager] ${message}`);
  });

  test('missing and unknown options', () => {
    expectAttentionError(
      () => new BlockManager(undefined as unknown as BlockManagerOptions),
      'ERR_DTYPE',
      '[BlockManager] options: expected an object, received undefined',
    );
    const expected = 'numBlocks, blockSize, prefixCache, watermark, numHostBlocks, hash';
    expectAttentionError(
      () => makeManager({ prefixcache: false } as Partial<BlockManagerOptions>),
      'ERR_UNSUPPORTED',
      `[BlockManager] options: expected only ${expected}, received "prefixcache"`,
    );
  });

  test.each<[string, (manager: BlockManager) => unknown, string]>([
    [
      'tokens',
      (m) => m.allocate('a', undefined as unknown as number[]),
      '[BlockManager.allocate] tokens: expected an array of token ids, or a number, received undefined',
    ],
    [
      'salt',
      (m) => m.allocate('a', [1], { salt: 7 as unknown as string }),
      '[BlockManager.allocate] salt: expected a string, received 7',
    ],
    [
      'options',
      (m) => m.allocate('a', [1], null as never),
      '[BlockManager.allocate] options: expected an object, received null',
    ],
    [
      'id',
      (m) => m.allocate(undefined as never, [1]),
      '[BlockManager.allocate] id: expected a string or a number, received undefined',
    ],
    [
      'new id',
      (m) => {
        m.allocate('a', []);
        m.fork('a', {} as never);
      },
      '[BlockManager.fork] newId: expected a string or a number, received Object',
    ],
    [
      'tokens in a DataView',
      (m) => m.allocate('a', new DataView(new ArrayBuffer(8)) as never),
      '[BlockManager.allocate] tokens: expected an array of token ids, or a number, received DataView',
    ],
    [
      'tokens in a DataView for canAllocate',
      (m) => m.canAllocate(new DataView(new ArrayBuffer(8)) as never),
      '[BlockManager.canAllocate] tokens: expected an array of token ids, or a number, received DataView',
    ],
    [
      'text for tokens',
      (m) => m.allocate('a', 'abc' as never),
      '[BlockManager.allocate] tokens: expected an array of token ids, or a number, received "abc"',
    ],
  ])('%s of the wrong kind', (_title, call, message) => {
    const manager = makeManager();
    const before = manager.stats();
    expectAttentionError(() => call(manager), 'ERR_DTYPE', message);
    expect(manager.stats()).toMatchObject({ used: before.used });
  });

  test.each(['salts', 'reserved'])('rejects the unknown option %s of allocate', (name) => {
    for (const method of ['allocate', 'canAllocate'] as const) {
      const options = { [name]: 4 };
      expectAttentionError(
        () =>
          method === 'allocate'
            ? makeManager().allocate('a', [1], options)
            : makeManager().canAllocate([1], options),
        'ERR_UNSUPPORTED',
        `[BlockManager.${method}] options: expected only salt, reserve, received "${name}"`,
      );
    }
  });

  test('rejects token ids whose memory was transferred', () => {
    const tokens = Int32Array.of(1, 2, 3);
    structuredClone(tokens.buffer, { transfer: [tokens.buffer] });
    expectAttentionError(
      () => makeManager().allocate('a', tokens),
      'ERR_DISPOSED',
      '[BlockManager.allocate] tokens: expected an array of token ids, or a number, received an array whose memory was given away',
    );
    expect(makeManager().allocate('a', new Int32Array(0))).toEqual({ cachedTokens: 0 });
  });

  const unknown = 'id: expected a sequence of this manager, received "nobody"';
  const away = 'id: expected a sequence that is not swapped out, received "away"';
  test.each<[string, (manager: BlockManager) => unknown, string]>([
    [
      'allocate twice',
      (m) => m.allocate('a', [1]),
      '[BlockManager.allocate] id: expected an unused id, received "a"',
    ],
    [
      'token ids',
      (m) => m.allocate('b', [1, -1]),
      '[BlockManager.allocate] tokens[1]: expected an integer >= 0 and <= 2147483647, received -1',
    ],
    [
      'bigint token ids',
      (m) => m.allocate('b', [1n] as never),
      '[BlockManager.allocate] tokens[0]: expected an integer >= 0 and <= 2147483647, received 1n',
    ],
    [
      'a BigInt64Array of token ids',
      (m) => m.append('a', new BigInt64Array(2) as never),
      '[BlockManager.append] tokens[0]: expected an integer >= 0 and <= 2147483647, received 0n',
    ],
    [
      'token ids with a hole',
      (m) => m.commit('a', [undefined, 3] as never),
      '[BlockManager.commit] tokens[0]: expected an integer >= 0 and <= 2147483647, received undefined',
    ],
    [
      'large token ids',
      (m) => m.append('a', [2 ** 32]),
      '[BlockManager.append] tokens[0]: expected an integer >= 0 and <= 2147483647, received 4294967296',
    ],
    [
      'token count',
      (m) => m.append('a', -1),
      '[BlockManager.append] tokens: expected an integer >= 0, received -1',
    ],
    [
      'reserve',
      (m) => m.allocate('b', [1], { reserve: -1 }),
      '[BlockManager.allocate] reserve: expected an integer >= 0, received -1',
    ],
    ['append unknown', (m) => m.append('nobody', [1]), `[BlockManager.append] ${unknown}`],
    ['append swapped out', (m) => m.append('away', [1]), `[BlockManager.append] ${away}`],
    ['commit unknown', (m) => m.commit('nobody', 1), `[BlockManager.commit] ${unknown}`],
    [
      'commit too much',
      (m) => m.commit('a', 3),
      '[BlockManager.commit] tokens: expected at most 2, the number of uncommitted tokens, received 3',
    ],
    ['fork unknown', (m) => m.fork('nobody', 'b'), `[BlockManager.fork] ${unknown}`],
    [
      'fork to a taken id',
      (m) => m.fork('done', 'a'),
      '[BlockManager.fork] newId: expected an unused id, received "a"',
    ],
    [
      'fork half computed',
      (m) => m.fork('a', 'b'),
      '[BlockManager.fork] id: expected a sequence whose tokens are all committed, received 2 uncommitted',
    ],
    ['free unknown', (m) => m.free('nobody'), `[BlockManager.free] ${unknown}`],
    ['swapOut unknown', (m) => m.swapOut('nobody'), `[BlockManager.swapOut] ${unknown}`],
    ['swapOut twice', (m) => m.swapOut('away'), `[BlockManager.swapOut] ${away}`],
    [
      'swapIn of a resident',
      (m) => m.swapIn('a'),
      '[BlockManager.swapIn] id: expected a sequence that is swapped out, received "a"',
    ],
    ['blockTable swapped out', (m) => m.blockTable('away'), `[BlockManager.blockTable] ${away}`],
    ['sequence unknown', (m) => m.sequence('nobody'), `[BlockManager.sequence] ${unknown}`],
    [
      'slots past the end',
      (m) => m.slots('a', 0, 3),
      '[BlockManager.slots] to: expected an integer >= 0 and <= 2, received 3',
    ],
    [
      'slots from past the end',
      (m) => m.slots('a', 3, 3),
      '[BlockManager.slots] from: expected an integer >= 0 and <= 2, received 3',
    ],
    [
      'truncate committed',
      (m) => m.truncate('done', 3),
      '[BlockManager.truncate] length: expected an integer >= 4 and <= 4, received 3',
    ],
    [
      'canAppend count',
      (m) => m.canAppend('a', 0.5),
      '[BlockManager.canAppend] count: expected an integer >= 0, received 0.5',
    ],
  ])('%s', (_title, call, message) => {
    const manager = makeManager({ numHostBlocks: 4 });
    manager.allocate('a', [1, 2]);
    addComputed(manager, 'done', prompt(4));
    addComputed(manager, 'away', prompt(4, 9));
    manager.swapOut('away');
    const before = manager.stats();
    expectAttentionError(() => call(manager), 'ERR_RANGE', message);
    expect(manager.stats()).toEqual(before);
  });
});
