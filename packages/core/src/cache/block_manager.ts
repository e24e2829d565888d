import { Checks, describe } from '../checks.ts';
import { AttentionError } from '../errors.ts';
import { BlockPool } from './block_pool.ts';
import { checkIntegerList } from './integer_list.ts';
import { NO_BLOCK, PrefixIndex, hashBlock } from './prefix_index.ts';
import type { BlockHash } from './prefix_index.ts';
import { SequenceBlocks } from './sequence_blocks.ts';

/** Names a sequence; the caller chooses it. */
export type SequenceId = string | number;

/** Token ids, or only their number. Tokens without ids take part in everything but the prefix cache. */
export type TokenIds = ArrayLike<number> | number;

/** How a {@link BlockManager} is made. */
export interface BlockManagerOptions {
  /** Blocks of the cache it manages, `PagedKVCache.numBlocks`. */
  numBlocks: number;
  /** Tokens per block, `PagedKVCache.blockSize`. Any size from 1 will do here; caches take powers of two from 8 on. */
  blockSize: number;
  /** Whether full blocks are found again by the token ids they hold. Default `true`. */
  prefixCache?: boolean;
  /**
   * Share of the blocks, 0 to 1, that `allocate` and `swapIn` leave for the sequences that already run, so that a new
   * sequence does not take the blocks that the next decode steps need. Not kept when nobody else holds a block. Default 0.
   */
  watermark?: number;
  /** Blocks of the host cache that sequences are swapped out to. Default 0. */
  numHostBlocks?: number;
  /** Hash of the prefix cache; any function is correct, a poor one is slow. */
  hash?: BlockHash;
}

/** Options of {@link BlockManager.allocate} and {@link BlockManager.canAllocate}. */
export interface AllocateOptions {
  /** Prompts share cached blocks only with prompts of the same salt, e.g. one per customer. Default: none. */
  salt?: string;
  /**
   * How many of the tokens after the cached ones get slots now, e.g. those of the first prefill chunk. The others are
   * given to `append` later. Default: all.
   */
  reserve?: number;
}

/** What {@link BlockManager.append} gives back. */
export interface AppendResult {
  /** `[n]` slots of the appended tokens, for `reshapeAndCache`. */
  slots: Int32Array;
  /** Pairs source, destination of blocks to copy before this step's writes: `PagedKVCache.apply`. Mostly empty. */
  copies: Int32Array;
}

/** Where a sequence stands, see {@link BlockManager.sequence}. */
export interface SequenceState {
  /** Tokens that have slots. */
  length: number;
  /** Tokens whose keys and values were written, or are cached. */
  committed: number;
  /** Whether its blocks are in the host cache. */
  swappedOut: boolean;
}

/** Counts of a {@link BlockManager}; `free + used + cached = total`. */
export interface BlockManagerStats {
  /** Blocks of the cache. */
  total: number;
  /** Blocks that hold nothing. */
  free: number;
  /** Blocks that sequences hold; one that several share counts once. */
  used: number;
  /** Blocks that no sequence holds and that the prefix cache keeps until somebody needs them. */
  cached: number;
  /** Sequences, those swapped out included. */
  sequences: number;
  /** Tokens of prompts that were looked up in the prefix cache. */
  queries: number;
  /** Tokens of `queries` that were found; `hits / queries` is the hit rate. */
  hits: number;
  /** Cached blocks that were given up because a block was needed. */
  evictions: number;
  /** Blocks of the host cache. */
  hostTotal: number;
  /** Blocks of the host cache that hold nothing. */
  hostFree: number;
}

const OPTIONS = [
  'numBlocks',
  'blockSize',
  'prefixCache',
  'watermark',
  'numHostBlocks',
  'hash',
] as const satisfies readonly (keyof BlockManagerOptions)[];

const ALLOCATE_OPTIONS = ['salt', 'reserve'] as const satisfies readonly (keyof AllocateOptions)[];

const METHODS = [
  'allocate',
  'append',
  'blockTable',
  'canAllocate',
  'canAppend',
  'commit',
  'fork',
  'free',
  'sequence',
  'slots',
  'swapIn',
  'swapOut',
  'truncate',
] as const;

const checksOf = Object.fromEntries(
  METHODS.map((method) => [method, new Checks(`BlockManager.${method}`)]),
) as Record<(typeof METHODS)[number], Checks>;

const NO_PAIRS = new Int32Array(0);

/** What it takes to place the first tokens of a sequence: cached blocks, then new ones. */
interface Placement {
  hits: number[];
  length: number;
}

/**
 * Decides which block of a paged KV cache holds what: it gives sequences blocks, finds prompts that share a prefix,
 * shares blocks between forks, and evicts what nobody uses. It holds no tensors and knows no backend; it hands out
 * slots, block tables and pairs of blocks to copy, each an `Int32Array`. O(1) per block in every operation.
 *
 * A call that throws changes nothing. Pairs of blocks must be carried out in the order in which the calls gave them,
 * before the writes of the step.
 *
 * @example
 * ```ts
 * const blocks = new BlockManager({ numBlocks: 1024, blockSize: 16 });
 * const { cachedTokens } = blocks.allocate('a', promptIds);       // the prompt's blocks
 * blocks.slots('a', cachedTokens, promptIds.length);              // where prefill writes
 * blocks.commit('a', promptIds.length - cachedTokens);            // after the prefill was enqueued
 * const { slots, copies } = blocks.append('a', [nextId]);         // a decode step
 * cache.apply(copies);
 * blocks.commit('a', 1);
 * blocks.free('a');
 * ```
 * @see Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023.
 */
export class BlockManager {
  /** Blocks of the cache. */
  readonly numBlocks: number;
  /** Tokens per block. */
  readonly blockSize: number;

  readonly #pool: BlockPool;
  readonly #hostPool: BlockPool;
  readonly #index?: PrefixIndex;
  readonly #watermarkBlocks: number;
  readonly #sequences = new Map<SequenceId, SequenceBlocks>();
  #hits = 0;
  #queries = 0;

  /** @throws AttentionError `ERR_UNSUPPORTED` for an unknown option, `ERR_RANGE` for one outside its range. */
  constructor(options: BlockManagerOptions) {
    const checks = new Checks('BlockManager');
    checks.keys('options', options, OPTIONS);
    const {
      numBlocks,
      blockSize,
      prefixCache = true,
      watermark = 0,
      numHostBlocks = 0,
      hash = hashBlock,
    } = options;
    checks.integer('blockSize', blockSize, 1, 2 ** 16);
    const maxBlocks = Math.floor((2 ** 31 - 1) / blockSize); // slots are int32
    checks.integer('numBlocks', numBlocks, 1, maxBlocks);
    checks.integer('numHostBlocks', numHostBlocks, 0, maxBlocks);
    const share = typeof watermark === 'number' && watermark >= 0 && watermark < 1;
    checks.expect(share, 'ERR_RANGE', 'watermark', 'a number >= 0 and < 1', describe(watermark));
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    this.#watermarkBlocks = Math.floor(watermark * numBlocks);
    const index = prefixCache ? new PrefixIndex(numBlocks, blockSize, hash) : undefined;
    this.#index = index;
    this.#pool = new BlockPool(numBlocks, (block) => index?.remove(block));
    this.#hostPool = new BlockPool(numHostBlocks);
  }

  /**
   * Starts a sequence: finds the prompt's cached blocks and takes blocks for the rest.
   *
   * @param tokens Ids of the whole prompt, or (without prefix cache for it) their number. After preemption by recompute
   * the prompt is all that the sequence had, generated tokens included.
   * @returns `cachedTokens`: how many leading tokens need no computing. Never the last token of the prompt: its logits
   * are needed. They count as committed.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS`; `ERR_RANGE` for an id that is taken or a token id that is no int32 >= 0;
   * `ERR_DTYPE` for an id or tokens of another kind; `ERR_UNSUPPORTED` for an unknown option.
   */
  allocate(id: SequenceId, tokens: TokenIds, options: AllocateOptions = {}): { cachedTokens: number } {
    const checks = checksOf.allocate;
    this.#expectNewId(checks, 'id', id);
    const { hits, length } = this.#placePrompt(checks, tokens, options);
    this.#expectAvailable(checks, this.#blocksToTake({ hits, length }), this.#reserved());

    const cachedTokens = hits.length * this.blockSize;
    const sequence = new SequenceBlocks(options.salt ?? '');
    this.#occupy(sequence, { hits, length });
    sequence.committed = cachedTokens;
    sequence.known = cachedTokens;
    if (typeof tokens !== 'number') {
      this.#learn(sequence, cachedTokens, tokens, cachedTokens, length - cachedTokens);
      if (this.#index) this.#queries += tokens.length;
    }
    this.#hits += cachedTokens;
    this.#sequences.set(id, sequence);
    return { cachedTokens };
  }

  /** Whether {@link allocate} with these arguments has the blocks it needs now. */
  canAllocate(tokens: TokenIds, options: AllocateOptions = {}): boolean {
    const placement = this.#placePrompt(checksOf.canAllocate, tokens, options);
    return this.#blocksToTake(placement) + this.#reserved() <= this.#pool.available;
  }

  /**
   * Gives a sequence slots for more tokens: the next prefill chunk, generated tokens, or tokens to verify. A last block
   * that is shared with a fork is replaced by a copy of its own first.
   *
   * @param tokens Their ids; or their number, where the ids follow at {@link commit} or nobody needs the prefix cache.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS`; `ERR_RANGE` for an unknown or swapped-out sequence.
   */
  append(id: SequenceId, tokens: TokenIds): AppendResult {
    const checks = checksOf.append;
    const sequence = this.#resident(checks, id);
    const count = checkTokens(checks, tokens);
    this.#expectAvailable(checks, this.#blocksToAppend(sequence, count), 0);

    const from = sequence.length;
    const copies = count > 0 && this.#lastBlockIsShared(sequence) ? this.#copyLastBlock(sequence) : NO_PAIRS;
    this.#grow(sequence, from + count);
    if (typeof tokens !== 'number') this.#learn(sequence, from, tokens, 0, count);
    return { slots: this.#slots(sequence, from, from + count), copies };
  }

  /** Whether {@link append} of `count` tokens to the sequence has the blocks it needs now. */
  canAppend(id: SequenceId, count = 1): boolean {
    const sequence = this.#resident(checksOf.canAppend, id);
    checksOf.canAppend.integer('count', count, 0);
    return this.#blocksToAppend(sequence, count) <= this.#pool.available;
  }

  /**
   * Records that keys and values of the next tokens were written, i.e. that the ops which write them were enqueued.
   * Blocks that this fills are prefix hits from now on.
   *
   * @param tokens Number of tokens; or their ids, where {@link append} was given only a number.
   * @throws AttentionError `ERR_RANGE` when more tokens are committed than have slots.
   */
  commit(id: SequenceId, tokens: TokenIds): void {
    const checks = checksOf.commit;
    const sequence = this.#resident(checks, id);
    const count = checkTokens(checks, tokens);
    const { committed, length } = sequence;
    const fits = committed + count <= length;
    const expected = `at most ${length - committed}, the number of uncommitted tokens`;
    checks.expect(fits, 'ERR_RANGE', 'tokens', expected, count);
    if (typeof tokens !== 'number') this.#learn(sequence, committed, tokens, 0, count);
    sequence.committed = committed + count;
    this.#indexFullBlocks(sequence);
  }

  /**
   * Takes back slots of tokens that were not committed, e.g. draft tokens that verification rejected.
   *
   * @param length Tokens that keep their slots, at least the committed ones.
   */
  truncate(id: SequenceId, length: number): void {
    const checks = checksOf.truncate;
    const sequence = this.#resident(checks, id);
    checks.integer('length', length, sequence.committed, sequence.length);
    while (sequence.numBlocks > this.#blocksFor(length)) this.#pool.release(sequence.popBlock());
    sequence.length = length;
    sequence.known = Math.min(sequence.known, length);
  }

  /**
   * Starts a sequence with everything that another one has, in the same blocks. Whichever of them writes to a shared
   * block first gets a copy of it from {@link append}. Costs no blocks.
   *
   * @throws AttentionError `ERR_RANGE` when the sequence has tokens that are not committed: both would write them.
   */
  fork(id: SequenceId, newId: SequenceId): void {
    const checks = checksOf.fork;
    const sequence = this.#resident(checks, id);
    this.#expectNewId(checks, 'newId', newId);
    const uncommitted = sequence.length - sequence.committed;
    const expected = 'a sequence whose tokens are all committed';
    checks.expect(uncommitted === 0, 'ERR_RANGE', 'id', expected, `${uncommitted} uncommitted`);
    const fork = sequence.clone();
    for (const block of fork.blockTable) this.#pool.retain(block);
    this.#sequences.set(newId, fork);
  }

  /** Ends a sequence, wherever its blocks are. What it committed stays in the prefix cache until evicted. */
  free(id: SequenceId): void {
    const sequence = this.#known(checksOf.free, id);
    this.#releaseAll(sequence.swappedTokens ? this.#hostPool : this.#pool, sequence);
    this.#sequences.delete(id);
  }

  /**
   * Moves a sequence to the host cache and gives up its blocks. Forks do not share host blocks.
   *
   * @returns Pairs block, host block to copy: `PagedKVCache.swapOut`.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS` when the host cache is full.
   */
  swapOut(id: SequenceId): Int32Array {
    const checks = checksOf.swapOut;
    const sequence = this.#resident(checks, id);
    const count = this.#blocksFor(sequence.committed); // the others hold nothing yet
    const { available, size } = this.#hostPool;
    if (count > available) {
      throw new AttentionError(
        'ERR_OUT_OF_BLOCKS',
        `[BlockManager.swapOut] host blocks: expected ${count} free, received ${available} of ${size}; ` +
          'free or swap in another sequence, raise numHostBlocks, or preempt by recompute: free it and allocate it again',
      );
    }
    const tokens = this.#slots(sequence, 0, sequence.known);
    if (this.#index) for (let i = 0; i < tokens.length; i++) tokens[i] = this.#index.tokens[tokens[i]];
    const blocks = sequence.blockTable.slice(0, count);
    this.#releaseAll(this.#pool, sequence);
    const pairs = new Int32Array(2 * count);
    blocks.forEach((block, i) => {
      const hostBlock = this.#hostPool.take();
      sequence.pushBlock(hostBlock);
      pairs.set([block, hostBlock], 2 * i);
    });
    sequence.swappedTokens = tokens;
    sequence.numIndexed = 0;
    return pairs;
  }

  /**
   * Brings a swapped-out sequence back, with the slots it had appended and not committed. Blocks that the prefix cache
   * still has are taken from there.
   *
   * @returns Pairs host block, block to copy: `PagedKVCache.swapIn`.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS`; `ERR_RANGE` when the sequence is not swapped out.
   */
  swapIn(id: SequenceId): Int32Array {
    const checks = checksOf.swapIn;
    const sequence = this.#known(checks, id);
    const tokens = sequence.swappedTokens;
    if (!tokens) return checks.fail('ERR_RANGE', 'id', 'a sequence that is swapped out', describe(id));
    const { length, committed, known } = sequence;
    const numFull = Math.floor(Math.min(committed, known) / this.blockSize);
    const placement = { hits: this.#findPrefix(tokens, sequence.salt, numFull), length };
    this.#expectAvailable(checks, this.#blocksToTake(placement), this.#reserved());

    const hostBlocks = sequence.blockTable.slice();
    this.#releaseAll(this.#hostPool, sequence);
    sequence.swappedTokens = undefined;
    sequence.known = 0;
    this.#occupy(sequence, placement);
    this.#learn(sequence, 0, tokens, 0, known);
    const numHits = placement.hits.length;
    const pairs = new Int32Array(2 * (hostBlocks.length - numHits));
    for (let i = numHits; i < hostBlocks.length; i++) {
      pairs.set([hostBlocks[i], sequence.block(i)], 2 * (i - numHits));
    }
    return pairs;
  }

  /**
   * The blocks of a sequence, in order: slot of token t = `blockTable[floor(t / blockSize)] * blockSize + t % blockSize`.
   * It is the manager's own memory: read it before the next call, and do not write to it.
   */
  blockTable(id: SequenceId): Int32Array {
    return this.#resident(checksOf.blockTable, id).blockTable;
  }

  /** Slots of the tokens `from` to `to` (not included) of a sequence, e.g. of a prefill chunk. */
  slots(id: SequenceId, from: number, to: number): Int32Array {
    const checks = checksOf.slots;
    const sequence = this.#resident(checks, id);
    checks.integer('from', from, 0, sequence.length);
    checks.integer('to', to, from, sequence.length);
    return this.#slots(sequence, from, to);
  }

  /** Whether there is a sequence of that id. */
  has(id: SequenceId): boolean {
    return this.#sequences.has(id);
  }

  /** Where a sequence stands. */
  sequence(id: SequenceId): SequenceState {
    const { length, committed, swappedTokens } = this.#known(checksOf.sequence, id);
    return { length, committed, swappedOut: swappedTokens !== undefined };
  }

  /** Counts of blocks, sequences and prefix hits. */
  stats(): BlockManagerStats {
    const { size: total, free, cached, available, evictions } = this.#pool;
    return {
      total,
      free,
      used: total - available,
      cached,
      sequences: this.#sequences.size,
      queries: this.#queries,
      hits: this.#hits,
      evictions,
      hostTotal: this.#hostPool.size,
      hostFree: this.#hostPool.available,
    };
  }

  #expectNewId(checks: Checks, argument: string, id: SequenceId): void {
    const isId = typeof id === 'string' || typeof id === 'number';
    checks.expect(isId, 'ERR_DTYPE', argument, 'a string or a number', describe(id));
    const isNew = !this.#sequences.has(id);
    checks.expect(isNew, 'ERR_RANGE', argument, 'an unused id', describe(id));
  }

  #known(checks: Checks, id: SequenceId): SequenceBlocks {
    const sequence = this.#sequences.get(id);
    return sequence ?? checks.fail('ERR_RANGE', 'id', 'a sequence of this manager', describe(id));
  }

  #resident(checks: Checks, id: SequenceId): SequenceBlocks {
    const sequence = this.#known(checks, id);
    if (sequence.swappedTokens) {
      checks.fail('ERR_RANGE', 'id', 'a sequence that is not swapped out', describe(id));
    }
    return sequence;
  }

  #blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  /** Where the prompt's first tokens would lie; throws for tokens and options that `allocate` does not take. */
  #placePrompt(checks: Checks, tokens: TokenIds, options: AllocateOptions): Placement {
    const count = checkTokens(checks, tokens);
    checks.keys('options', options, ALLOCATE_OPTIONS);
    const { salt = '', reserve } = options;
    if (reserve !== undefined) checks.integer('reserve', reserve, 0);
    checks.expect(typeof salt === 'string', 'ERR_DTYPE', 'salt', 'a string', describe(salt));
    const limit = Math.floor(Math.max(0, count - 1) / this.blockSize);
    const hits = typeof tokens === 'number' ? [] : this.#findPrefix(tokens, salt, limit);
    return { hits, length: Math.min(count, hits.length * this.blockSize + (reserve ?? count)) };
  }

  /** The longest run of cached blocks that hold the first tokens, at most `limit` of them. */
  #findPrefix(tokens: ArrayLike<number>, salt: string, limit: number): number[] {
    const hits: number[] = [];
    let parent = NO_BLOCK;
    while (this.#index && hits.length < limit) {
      parent = this.#index.find(parent, salt, tokens, hits.length * this.blockSize);
      if (parent === NO_BLOCK) break;
      hits.push(parent);
    }
    return hits;
  }

  /** Available blocks that a placement uses up: new ones, and hits that nobody references now. */
  #blocksToTake({ hits, length }: Placement): number {
    const unreferenced = hits.filter((block) => this.#pool.references(block) === 0).length;
    return this.#blocksFor(length) - hits.length + unreferenced;
  }

  #blocksToAppend(sequence: SequenceBlocks, count: number): number {
    const copied = count > 0 && this.#lastBlockIsShared(sequence) ? 1 : 0;
    return this.#blocksFor(sequence.length + count) - sequence.numBlocks + copied;
  }

  /** Whether the sequence's next token would go to a block that a fork holds, too. */
  #lastBlockIsShared(sequence: SequenceBlocks): boolean {
    const { length, numBlocks } = sequence;
    return length % this.blockSize !== 0 && this.#pool.references(sequence.block(numBlocks - 1)) > 1;
  }

  /** Blocks that a newcomer must leave available. */
  #reserved(): number {
    return this.#pool.available === this.#pool.size ? 0 : this.#watermarkBlocks;
  }

  #expectAvailable(checks: Checks, needed: number, reserved: number): void {
    const { available, free, cached, size } = this.#pool;
    if (needed + reserved <= available) return;
    const kept = reserved > 0 ? ` in addition to the ${reserved} of the watermark` : '';
    const help =
      needed > size
        ? `the cache holds ${size * this.blockSize} tokens in total: raise numBlocks or shorten the sequence`
        : 'free, swap out or preempt a sequence, or raise numBlocks';
    throw new AttentionError(
      'ERR_OUT_OF_BLOCKS',
      `[${checks.op}] blocks: expected ${needed} available${kept}, received ${available} ` +
        `(${free} free, ${cached} cached) of ${size}; ${help}`,
    );
  }

  #occupy(sequence: SequenceBlocks, { hits, length }: Placement): void {
    for (const block of hits) {
      this.#pool.retain(block);
      sequence.pushBlock(block);
    }
    sequence.numIndexed = hits.length;
    this.#grow(sequence, length);
  }

  #grow(sequence: SequenceBlocks, length: number): void {
    const numBlocks = this.#blocksFor(length);
    while (sequence.numBlocks < numBlocks) sequence.pushBlock(this.#pool.take());
    sequence.length = length;
  }

  #copyLastBlock(sequence: SequenceBlocks): Int32Array {
    const source = sequence.popBlock();
    const copy = this.#pool.take();
    this.#pool.release(source);
    sequence.pushBlock(copy);
    const { blockSize } = this;
    this.#index?.tokens.copyWithin(copy * blockSize, source * blockSize, (source + 1) * blockSize);
    return Int32Array.of(source, copy);
  }

  /** Notes ids of `count` tokens of the sequence, from position `from` on. Ids after a gap are of no use. */
  #learn(sequence: SequenceBlocks, from: number, ids: ArrayLike<number>, start: number, count: number): void {
    if (!this.#index || from > sequence.known) return;
    const { tokens } = this.#index;
    for (let i = 0; i < count; i++) tokens[this.#slot(sequence, from + i)] = ids[start + i];
    sequence.known = Math.max(sequence.known, from + count);
  }

  /** Lets the prefix cache find the sequence's blocks that are full of committed tokens of known ids. */
  #indexFullBlocks(sequence: SequenceBlocks): void {
    if (!this.#index) return;
    const numFull = Math.floor(Math.min(sequence.committed, sequence.known) / this.blockSize);
    for (; sequence.numIndexed < numFull; sequence.numIndexed++) {
      const position = sequence.numIndexed;
      const block = sequence.block(position);
      const parent = position === 0 ? NO_BLOCK : sequence.block(position - 1);
      if (this.#index.add(block, parent, sequence.salt)) this.#pool.holdContent(block);
    }
  }

  /** Releases all blocks, the last first: a prefix is evicted from its end. */
  #releaseAll(pool: BlockPool, sequence: SequenceBlocks): void {
    while (sequence.numBlocks > 0) pool.release(sequence.popBlock());
  }

  #slot(sequence: SequenceBlocks, position: number): number {
    const block = Math.floor(position / this.blockSize);
    return sequence.block(block) * this.blockSize + (position - block * this.blockSize);
  }

  #slots(sequence: SequenceBlocks, from: number, to: number): Int32Array {
    const slots = new Int32Array(to - from);
    for (let i = 0; i < slots.length; i++) slots[i] = this.#slot(sequence, from + i);
    return slots;
  }
}

/** Checks token ids or their number, and gives the number. */
function checkTokens(checks: Checks, tokens: TokenIds): number {
  if (typeof tokens === 'number') {
    checks.integer('tokens', tokens, 0);
    return tokens;
  }
  checkIntegerList(checks, 'tokens', tokens, 0, 'an array of token ids, or a number');
  return tokens.length;
}
