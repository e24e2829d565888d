/**
 * The block manager's cost per operation, in a cache of 10,000 blocks with 100 sequences and in one of 1,000,000 blocks
 * with 10,000 sequences. Every operation is O(1) per block; only CPU cache misses grow with the size.
 */
import { BlockManager } from '@attention-js/core';
import { median } from './support/median.ts';

const [BLOCK_SIZE, BLOCKS_PER_SEQUENCE, DECODE_STEPS] = [16, 100, 32];
const PROMPT_LENGTH = BLOCK_SIZE * BLOCKS_PER_SEQUENCE;
const SIZES = [10_000, 1_000_000];
const ROUNDS = 3;
const MAX_RATIO = 20; // allowed slowdown in the large cache; a cost proportional to the number of blocks would give 100

/** Prompts of consecutive numbers from `first` on, so that no two blocks are equal. */
function makePrompts(sequences: number, first: number): Int32Array[] {
  return Array.from({ length: sequences }, (_, sequence) =>
    Int32Array.from({ length: PROMPT_LENGTH }, (_unused, i) => first + sequence * PROMPT_LENGTH + i),
  );
}

/** The process's CPU time in microseconds, which is steadier than the clock on a busy machine. */
const now = (): number => process.cpuUsage().user;

/** Nanoseconds per block, or per appended token, of each operation in a cache of `numBlocks`. */
function measure(numBlocks: number): Record<string, number> {
  const sequences = numBlocks / BLOCKS_PER_SEQUENCE;
  const ids = Array.from({ length: sequences }, (_, i) => i);
  const manager = new BlockManager({ numBlocks, blockSize: BLOCK_SIZE });
  const figures: Record<string, number> = {};
  const time = (name: string, operations: number, call: (id: number) => void): void => {
    const start = now();
    for (const id of ids) call(id);
    figures[name] = ((now() - start) * 1e3) / (operations * sequences);
  };
  const expectStats = (expected: Partial<ReturnType<BlockManager['stats']>>): void => {
    const stats = manager.stats();
    for (const [name, value] of Object.entries(expected)) {
      const received = stats[name as keyof typeof stats];
      if (received !== value) throw new Error(`${name}: expected ${value}, received ${received}`);
    }
  };

  const prompts = makePrompts(sequences, 0);
  time('allocate', BLOCKS_PER_SEQUENCE, (id) => manager.allocate(id, prompts[id]));
  time('commit', BLOCKS_PER_SEQUENCE, (id) => manager.commit(id, PROMPT_LENGTH));
  expectStats({ used: numBlocks, free: 0 });
  time('free', BLOCKS_PER_SEQUENCE, (id) => manager.free(id));
  expectStats({ cached: numBlocks, hits: 0 });
  // The last token of a prompt is never a hit, so a prompt of whole blocks would miss its last block.
  time('hit', BLOCKS_PER_SEQUENCE - 1, (id) => {
    manager.allocate(id, prompts[id].subarray(0, PROMPT_LENGTH - BLOCK_SIZE + 1), { reserve: 0 });
  });
  expectStats({ hits: sequences * (PROMPT_LENGTH - BLOCK_SIZE), evictions: 0 });
  for (const id of ids) manager.free(id);
  const others = makePrompts(sequences, 2 ** 30);
  time('evict', BLOCKS_PER_SEQUENCE, (id) => manager.allocate(id, others[id]));
  expectStats({ evictions: numBlocks, used: numBlocks });
  for (const id of ids) manager.free(id);

  for (const id of ids) manager.allocate(id, prompts[id], { reserve: 1 });
  const token = [7];
  const start = now();
  for (let step = 0; step < DECODE_STEPS; step++) {
    for (const id of ids) {
      manager.append(id, token);
      manager.commit(id, 1);
    }
  }
  figures['append and commit of one token'] = ((now() - start) * 1e3) / (DECODE_STEPS * sequences);
  return figures;
}

const names = Object.keys(measure(SIZES[0])); // also warms up the JIT compiler
const [small, large] = SIZES.map((numBlocks) => {
  const rounds = Array.from({ length: ROUNDS }, () => measure(numBlocks));
  return (name: string) => median(rounds.map((figures) => figures[name]));
});
const [few, many] = SIZES.map((numBlocks) => numBlocks.toLocaleString('en'));
console.log(
  `per block of ${BLOCK_SIZE} tokens, in a cache of ${few} blocks and of ${many} (median of ${ROUNDS})`,
);
for (const name of names) {
  const ratio = large(name) / small(name);
  const times = `${small(name).toFixed(0)} ns, ${large(name).toFixed(0)} ns`;
  console.log(`  ${name}: ${times}, ${ratio.toFixed(1)} times`);
  if (!(ratio < MAX_RATIO))
    throw new Error(`${name}: costs ${ratio.toFixed(1)} times as much in the larger cache`);
}
