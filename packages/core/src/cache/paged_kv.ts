import { dispose, keep, tensor1d } from '@tensorflow/tfjs-core';
import type { Tensor1D } from '@tensorflow/tfjs-core';
import { Checks, describe } from '../checks.ts';
import { BlockManager } from './block_manager.ts';
import type { BlockManagerOptions, BlockManagerStats } from './block_manager.ts';
import { buildInputMetadata } from './build_input_metadata.ts';
import type { ScheduledSequence } from './build_input_metadata.ts';
import { disposeInputMetadata } from './input_metadata.ts';
import type { StepMetadata } from './input_metadata.ts';
import { checkIntegerList } from './integer_list.ts';
import { PagedKVCache } from './paged_kv_cache.ts';
import type { LayerCache, PagedKVCacheOptions } from './paged_kv_cache.ts';

/** Options of {@link PagedKV}: those of the cache, and what the block manager adds. */
export interface PagedKVOptions
  extends PagedKVCacheOptions, Pick<BlockManagerOptions, 'prefixCache' | 'watermark'> {}

/** Options of {@link PagedKV.start}. */
export interface StartOptions {
  /** Prompts share cached blocks only with prompts of the same salt. Default: none. */
  salt?: string;
}

/**
 * The work of a step, by sequence: how many of the prompt's remaining tokens to compute, or the ids of new tokens.
 * `{ a: 256, b: [next] }` computes 256 tokens of the prompt of `a`, and one generated token of `b`.
 */
export type StepWork = Readonly<Record<string, number | ArrayLike<number>>>;

/** One step of {@link PagedKV}. It owns its tensors. */
export interface PagedKVStep {
  /** int32 `[tokens]`: the tokens of all sequences, one sequence after the other. */
  readonly tokenIds: Tensor1D;
  /** Positions, slots and blocks, for `PagedAttention.forward`. */
  readonly metadata: StepMetadata;
  /** int32 `[sequences]`: rows of `tokenIds` that hold the last token of each sequence, whose logits give the next one. */
  readonly lastRows: Tensor1D;
  /** The sequences, in the order of their tokens. */
  readonly sequences: readonly string[];
  /**
   * Keeps what the step wrote: call it after the model ran. Then the tokens count, and their full blocks can be shared.
   *
   * @throws AttentionError `ERR_DISPOSED` if the step is committed or disposed already.
   */
  commit(): void;
  /** Frees the tensors. A step that was not committed never happened: its sequences are as they were before. */
  dispose(): void;
  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void;
}

/** What is scheduled of one sequence. */
interface Chunk {
  id: string;
  /** Length of the sequence before the step. */
  from: number;
  tokens: Int32Array;
  isPrompt: boolean;
}

const START_OPTIONS = ['salt'] as const satisfies readonly (keyof StartOptions)[];

const checksOf = {
  start: new Checks('PagedKV.start'),
  step: new Checks('PagedKV.step'),
  commit: new Checks('PagedKV.commit'),
  sequence: new Checks('PagedKV'),
};

/**
 * A paged KV cache with everything that a step needs of it: `PagedKVCache`, `BlockManager` and `buildInputMetadata`
 * together. Prompts are computed in chunks of any size, beside decodes of other sequences; prompts that begin alike
 * share blocks.
 *
 * @example
 * ```ts
 * using kv = new PagedKV({ numLayers: 32, numBlocks: 1024, blockSize: 16, numKvHeads: 8, headSize: 128 });
 * kv.start('a', promptIds);
 * while (kv.remaining('a') > 0) {
 *   using step = kv.step({ a: Math.min(256, kv.remaining('a')) });
 *   const logits = model(step.tokenIds, step.metadata, kv);
 *   step.commit();
 * }
 * ```
 */
export class PagedKV {
  /** The tensors, for what this class does not do itself: swapping, several caches. */
  readonly cache: PagedKVCache;
  /** Who holds which block. */
  readonly blocks: BlockManager;

  /** Tokens of prompts that are not computed yet. */
  readonly #remaining = new Map<string, Int32Array>();
  /** Sequences of steps that are neither committed nor disposed. */
  readonly #busy = new Set<string>();

  /** @throws AttentionError as `PagedKVCache` and `BlockManager`. */
  constructor(options: PagedKVOptions) {
    new Checks('PagedKV').object('options', options);
    const { prefixCache, watermark, ...cacheOptions } = options;
    const { numBlocks, blockSize } = cacheOptions;
    this.cache = new PagedKVCache(cacheOptions);
    try {
      this.blocks = new BlockManager({ numBlocks, blockSize, prefixCache, watermark });
    } catch (error) {
      this.cache.dispose();
      throw error;
    }
  }

  /**
   * Starts a sequence. Takes no blocks but those of other prompts that begin alike: `step` computes the rest.
   *
   * @param tokens Ids of the prompt, at least one.
   * @returns How many leading tokens are in the cache already.
   * @throws AttentionError `ERR_RANGE` if the id is in use, the prompt is empty or a token id is not an int32 >= 0.
   */
  start(id: string, tokens: ArrayLike<number>, options: StartOptions = {}): { cachedTokens: number } {
    const checks = checksOf.start;
    expectId(checks, id);
    checks.keys('options', options, START_OPTIONS);
    checkIntegerList(checks, 'tokens', tokens, 0);
    checks.expect(tokens.length > 0, 'ERR_RANGE', 'tokens', 'at least one token', tokens.length);
    const { cachedTokens } = this.blocks.allocate(id, tokens, { ...options, reserve: 0 });
    this.#remaining.set(id, Int32Array.from(tokens).slice(cachedTokens));
    return { cachedTokens };
  }

  /** How many tokens of a prompt no step has computed yet. */
  remaining(id: string): number {
    return this.#remainingOf(checksOf.sequence, id).length;
  }

  /**
   * Prepares a step: takes blocks and slots for its tokens, and describes them. A call that throws changes nothing.
   *
   * @throws AttentionError `ERR_OUT_OF_BLOCKS` if the blocks do not suffice for all sequences together; `ERR_RANGE` for
   * a sequence that does not exist, is in a step that is not committed, or has fewer tokens left of its prompt; for new
   * tokens before the end of the prompt; for a step without tokens.
   */
  step(work: StepWork): PagedKVStep {
    const chunks = this.#chunks(work);
    const scheduled: ScheduledSequence[] = [];
    const begun: Chunk[] = [];
    try {
      for (const chunk of chunks) {
        const { slots, copies } = this.blocks.append(chunk.id, chunk.tokens);
        begun.push(chunk);
        this.cache.apply(copies); // at once: the sequence keeps its own block, whatever becomes of the step
        const queryLength = chunk.tokens.length;
        scheduled.push({ slots, blockTable: [], contextLength: chunk.from + queryLength, queryLength });
      }
      chunks.forEach(({ id }, i) => (scheduled[i].blockTable = this.blocks.blockTable(id)));
      return this.#makeStep(chunks, buildInputMetadata(scheduled));
    } catch (error) {
      for (const { id, from } of begun) this.blocks.truncate(id, from);
      throw error;
    }
  }

  /**
   * Starts a sequence as a copy of another, whose blocks it shares until one of them writes.
   *
   * @throws AttentionError `ERR_RANGE` if the new id is in use or the sequence is in a step that is not committed.
   */
  fork(id: string, newId: string): void {
    const rest = this.#remainingOf(checksOf.sequence, id);
    expectId(checksOf.sequence, newId);
    this.blocks.fork(id, newId);
    this.#remaining.set(newId, rest);
  }

  /**
   * Ends a sequence. Its blocks serve other prompts until they are needed.
   *
   * @throws AttentionError `ERR_RANGE` if it does not exist or is in a step that is not committed.
   */
  free(id: string): void {
    this.#remainingOf(checksOf.sequence, id);
    this.#expectIdle(checksOf.sequence, id);
    this.blocks.free(id);
    this.#remaining.delete(id);
  }

  /** Whether a sequence with this id exists. */
  has(id: string): boolean {
    return this.#remaining.has(id);
  }

  /** Keys and values of layer `index`, for `PagedAttention.forward`. */
  layer(index: number): LayerCache {
    return this.cache.layer(index);
  }

  /** Counts of blocks, sequences and prefix hits. */
  stats(): BlockManagerStats {
    return this.blocks.stats();
  }

  /** Frees the cache. */
  dispose(): void {
    this.cache.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #chunks(work: StepWork): Chunk[] {
    const checks = checksOf.step;
    checks.object('work', work);
    const chunks = Object.entries(work).map(([id, tokens]) => this.#chunk(id, tokens));
    checks.expect(chunks.length > 0, 'ERR_RANGE', 'work', 'at least one sequence', 'none');
    return chunks;
  }

  #chunk(id: string, work: number | ArrayLike<number>): Chunk {
    const checks = checksOf.step;
    const rest = this.#remainingOf(checks, id);
    this.#expectIdle(checks, id);
    const argument = `work.${id}`;
    const from = this.blocks.sequence(id).length;
    if (typeof work === 'number') {
      checks.integer(argument, work, 1, rest.length);
      return { id, from, tokens: rest.subarray(0, work), isPrompt: true };
    }
    checkIntegerList(checks, argument, work, 0);
    checks.expect(work.length > 0, 'ERR_RANGE', argument, 'at least one token', work.length);
    const expected = `a number of tokens, as ${rest.length} of the prompt are not computed yet`;
    checks.expect(rest.length === 0, 'ERR_RANGE', argument, expected, 'new tokens');
    return { id, from, tokens: Int32Array.from(work), isPrompt: false };
  }

  #makeStep(chunks: readonly Chunk[], metadata: StepMetadata): PagedKVStep {
    const lengths = chunks.map(({ tokens }) => tokens.length);
    const tokenIds = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
    const lastRows = new Int32Array(chunks.length);
    let end = 0;
    for (const [i, { id, tokens }] of chunks.entries()) {
      tokenIds.set(tokens, end);
      end += tokens.length;
      lastRows[i] = end - 1;
      this.#busy.add(id);
    }
    const tensors = [tokenIds, lastRows].map((values) => keep(tensor1d(values, 'int32')));
    for (const tensor of Object.values(metadata)) if (typeof tensor === 'object') keep(tensor);
    let isOpen = true;
    let isDisposed = false;
    const close = (finish: (chunk: Chunk) => void): void => {
      isOpen = false;
      for (const chunk of chunks) {
        this.#busy.delete(chunk.id);
        finish(chunk);
      }
    };
    const step = {
      tokenIds: tensors[0],
      metadata,
      lastRows: tensors[1],
      sequences: chunks.map(({ id }) => id),
      commit: (): void => {
        const state = isDisposed ? 'a disposed one' : 'a committed one';
        checksOf.commit.expect(isOpen, 'ERR_DISPOSED', 'step', 'a step that is not committed', state);
        close((chunk) => this.#commit(chunk));
      },
      dispose: (): void => {
        if (isOpen) close(({ id, from }) => this.blocks.truncate(id, from));
        if (!isDisposed) disposeInputMetadata(metadata);
        dispose(tensors);
        isDisposed = true;
      },
      [Symbol.dispose]: (): void => step.dispose(),
    };
    return step;
  }

  #commit({ id, tokens, isPrompt }: Chunk): void {
    this.blocks.commit(id, tokens.length);
    if (isPrompt) this.#remaining.set(id, this.#remainingOf(checksOf.commit, id).subarray(tokens.length));
  }

  #remainingOf(checks: Checks, id: string): Int32Array {
    const rest = this.#remaining.get(id);
    return rest ?? checks.fail('ERR_RANGE', 'id', 'a sequence that was started', describe(id));
  }

  #expectIdle(checks: Checks, id: string): void {
    const expected = 'a sequence whose last step is committed or disposed';
    checks.expect(!this.#busy.has(id), 'ERR_RANGE', 'id', expected, describe(id));
  }
}

function expectId(checks: Checks, id: string): void {
  checks.expect(typeof id === 'string', 'ERR_DTYPE', 'id', 'a string', describe(id));
}
