import { Checks, describe } from '../checks.ts';
import { AttentionError } from '../errors.ts';
import { BlockPool } from './block_pool.ts';
import { checkIntegerList } from './integer_list.ts';
import { NO_BLOCK, PrefixIndex, hashBlock } from './prefix_index.ts';
import type { BlockHash } from './prefix_index.ts';
import { SequenceBlocks } from './sequence_blocks.ts';

/** Identifies a sequence; chosen by the caller. */
export type SequenceId = string | number;

/** Token ids, or only their number. Tokens without ids do not take part in the prefix cache. */
export type TokenIds = ArrayLike<number> | number;

/** Options of {@link BlockManager}. */
export interface BlockManagerOptions {
  /** Blocks in the cache, `PagedKVCache.numBlocks`. */
  numBlocks: number;
  /**
   * Tokens per block, `PagedKVCache.blockSize`. The manager accepts any size from 1; caches need a power of two from 8
   * on.
   */
  blockSize: number;
  /** Whether prompts can reuse full blocks that hold the same token ids. Default `true`. */
  prefixCache?: boolean;
  /**
   * Share of the blocks, from 0 to below 1, that `allocate` and `swapIn` leave free for running sequences, so that a
   * new sequence does not take the blocks that the next decode steps need. Ignored while no sequence holds a block.
   * Default 0.
   */
  watermark?: number;
  /** Blocks in the host cache to which sequences are swapped out. Default 0. */
  numHostBlocks?: number;
  /** Hash function of the prefix cache. Any function gives correct results; a poor one is slow. */
  hash?: BlockHash;
}

/** Options of {@link BlockManager.allocate} and {@link BlockManager.canAllocate}. */
export interface AllocateOptions {
  /**
   * Prompts share cached blocks only with prompts of the same salt, for example one salt per customer. Default: none.
   */
  salt?: string;
  /**
   * How many tokens after the cached ones get slots now, for example the first prefill chunk. `append` adds the others
   * later. Default: all.
   */
  reserve?: number;
}

/** The result of {@link BlockManager.append}. */
export interface AppendResult {
  /** `[n]` slots of the appended tokens, for `reshapeAndCache`. */
  slots: Int32Array;
  /**
   * Pairs of blocks (source, destination) to copy before this step's writes, for `PagedKVCache.apply`. Usually empty.
   */
  copies: Int32Array;
}

/** The state of a sequence, see {@link BlockManager.sequence}. */
export interface SequenceState {
  /** Tokens that have slots. */
  length: number;
  /** Tokens whose keys and values are written or cached. */
  committed: number;
  /** Whether its blocks are in the host cache. */
  swappedOut: boolean;
}

/** Counts of a {@link BlockManager}; `free + used + cached = total`. */
export interface BlockManagerStats {
  /** Blocks of the cache. */
  total: number;
  /** Blocks without content. */
  free: number;
  /** Blocks held by sequences; a shared block counts once. */
  used: number;
  /** Blocks held by no sequence that the prefix cache keeps until they are needed. */
  cached: number;
  /** Sequences, including those swapped out. */
  sequences: number;
  /** Tokens of prompts that were looked up in the prefix cache. */
  queries: number;
  /** Tokens of `queries` that were found. The hit rate is `hits / queries`. */
  hits: number;
  /** Cached blocks that were evicted because a block was needed. */
  evictions: number;
  /** Blocks of the host cache. */
  hostTotal: number;
  /** Free blocks in the host cache. */
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

/** The placement of a sequence's first tokens: cached blocks, then new ones. */
interface Placement {
  hits: number[];
  length: number;
}

/**
 * Manages the blocks of a paged KV cache: allocates blocks to sequences, finds prompts that share a prefix, shares
 * blocks between forks, and evicts unused blocks. It holds no tensors and knows no backend; it returns slots, block
 * tables and pairs of blocks to copy, each as an `Int32Array`. Every operation is O(1) per block.
 *
 * A call that throws changes nothing. Copy pairs of blocks in the order in which the calls returned them, before the
 * writes of the step.
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
   * Starts a sequence: finds the prompt's cached blocks and allocates blocks for the rest.
   *
   * @param tokens Ids of the whole prompt, or their number if it does not use the prefix cache. After preemption by
   * recompute, the prompt consists of all tokens that the sequence had, including generated ones.
   * @returns `cachedTokens`: how many leading tokens need no computation. It never includes the prompt's last token,
   * whose logits are needed. These tokens count as committed.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS`; `ERR_RANGE` if the id is in use or a token id is not an int32 >= 0;
   * `ERR_DTYPE` if the id or the tokens have the wrong type; `ERR_UNSUPPORTED` for an unknown option.
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

  /** Whether the blocks for {@link allocate} with these arguments are available now. */
  canAllocate(tokens: TokenIds, options: AllocateOptions = {}): boolean {
    const placement = this.#placePrompt(checksOf.canAllocate, tokens, options);
    return this.#blocksToTake(placement) + this.#reserved() <= this.#pool.available;
  }

  /**
   * Allocates slots for more tokens of a sequence: the next prefill chunk, generated tokens, or tokens to verify. If
   * the last block is shared with a fork, it is first replaced by a copy.
   *
   * @param tokens Their ids, or their number if the ids follow in {@link commit} or the prefix cache is not needed.
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

  /** Whether the blocks for {@link append} of `count` tokens are available now. */
  canAppend(id: SequenceId, count = 1): boolean {
    const sequence = this.#resident(checksOf.canAppend, id);
    checksOf.canAppend.integer('count', count, 0);
    return this.#blocksToAppend(sequence, count) <= this.#pool.available;
  }

  /**
   * Records that keys and values of the next tokens were written, that is, that the ops that write them were enqueued.
   * Blocks that become full can be prefix hits from now on.
   *
   * @param tokens Number of tokens, or their ids if {@link append} was given only a number.
   * @throws AttentionError `ERR_RANGE` if more tokens are committed than have slots.
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
   * Releases slots of tokens that were not committed, for example rejected draft tokens.
   *
   * @param length Number of tokens that keep their slots, at least the committed ones.
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
   * Starts a sequence as a copy of another that shares its blocks. The first of them to write to a shared block gets a
   * copy of it from {@link append}. Takes no blocks.
   *
   * @throws AttentionError `ERR_RANGE` if the sequence has uncommitted tokens, which both would write.
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

  /** Ends a sequence, swapped out or not. Its committed tokens stay in the prefix cache until evicted. */
  free(id: SequenceId): void {
    const sequence = this.#known(checksOf.free, id);
    this.#releaseAll(sequence.swappedTokens ? this.#hostPool : this.#pool, sequence);
    this.#sequences.delete(id);
  }

  /**
   * Moves a sequence to the host cache and releases its blocks. Forks do not share host blocks.
   *
   * @returns Pairs (block, host block) to copy with `PagedKVCache.swapOut`.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS` if the host cache is full.
   */
  swapOut(id: SequenceId): Int32Array {
    const checks = checksOf.swapOut;
    const sequence = this.#resident(checks, id);
    const count = this.#blocksFor(sequence.committed); // the others are still empty
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
   * Moves a swapped-out sequence back, including the slots it had appended but not committed. Blocks that the prefix
   * cache still has are reused.
   *
   * @returns Pairs (host block, block) to copy with `PagedKVCache.swapIn`.
   * @throws AttentionError `ERR_OUT_OF_BLOCKS`; `ERR_RANGE` if the sequence is not swapped out.
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
   * The blocks of a sequence, in order: slot of token t = `blockTable[floor(t / blockSize)] * blockSize + t %
   * blockSize`. This is the manager's own memory: read it before the next call, and do not write to it.
   */
  blockTable(id: SequenceId): Int32Array {
    return this.#resident(checksOf.blockTable, id).blockTable;
  }

  /** Slots of the tokens from `from` up to but excluding `to`, for example of a prefill chunk. */
  slots(id: SequenceId, from: number, to: number): Int32Array {
    const checks = checksOf.slots;
    const sequence = this.#resident(checks, id);
    checks.integer('from', from, 0, sequence.length);
    checks.integer('to', to, from, sequence.length);
    return this.#slots(sequence, from, to);
  }

  /** Whether a sequence with this id exists. */
  has(id: SequenceId): boolean {
    return this.#sequences.has(id);
  }

  /** The state of a sequence. */
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

  /** The placement of the prompt's first tokens; throws for tokens and options that `allocate` does not accept. */
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

  /** Available blocks that a placement takes: new ones, and hits that are not referenced now. */
  #blocksToTake({ hits, length }: Placement): number {
    const unreferenced = hits.filter((block) => this.#pool.references(block) === 0).length;
    return this.#blocksFor(length) - hits.length + unreferenced;
  }

  #blocksToAppend(sequence: SequenceBlocks, count: number): number {
    const copied = count > 0 && this.#lastBlockIsShared(sequence) ? 1 : 0;
    return this.#blocksFor(sequence.length + count) - sequence.numBlocks + copied;
  }

  /** Whether the sequence's next token would be written to a block that a fork also holds. */
  #lastBlockIsShared(sequence: SequenceBlocks): boolean {
    const { length, numBlocks } = sequence;
    return length % this.blockSize !== 0 && this.#pool.references(sequence.block(numBlocks - 1)) > 1;
  }

  /** Blocks that a new sequence must leave available. */
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

  /** Records ids of `count` tokens of the sequence, starting at position `from`. Ids after a gap are ignored. */
  #learn(sequence: SequenceBlocks, from: number, ids: ArrayLike<number>, start: number, count: number): void {
    if (!this.#index || from > sequence.known) return;
    const { tokens } = this.#index;
    for (let i = 0; i < count; i++) tokens[this.#slot(sequence, from + i)] = ids[start + i];
    sequence.known = Math.max(sequence.known, from + count);
  }

  /** Adds to the prefix cache the sequence's blocks that are full of committed tokens with known ids. */
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

  /** Releases all blocks, the last first, so that prefixes are evicted from their end. */
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

/** Checks token ids or their number, and returns the number. */
function checkTokens(checks: Checks, tokens: TokenIds): number {
  if (typeof tokens === 'number') {
    checks.integer('tokens', tokens, 0);
    return tokens;
  }
  checkIntegerList(checks, 'tokens', tokens, 0, 'an array of token ids, or a number');
  return tokens.length;
}
