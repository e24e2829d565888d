/**
 * Deliberate faults, each in one place: `from`, which occurs once in `file`, is replaced by `to`. `tests` are the paths
 * of the tests that must fail. `on` is the backend whose kernel is broken; without it the fault is in TypeScript and
 * tests run on `cpu`. With `checked`, tests run in the emulator's checked mode.
 */
const OPS = 'packages/core/src/ops';
const CACHE = 'packages/core/src/cache';
const ENGINE = 'packages/llm/src/engine';
const LIES = `${OPS}/metadata_that_lies.test`;

const op = (name, from, to) => ({
  file: `${OPS}/${name}.ts`,
  from,
  to,
  tests: [`${OPS}/${name.split('.')[0]}.test`],
});
const cache = (name, from, to, tests = [`${CACHE}/block_manager`]) => ({
  file: `${CACHE}/${name}.ts`,
  from,
  to,
  tests,
});
const engine = (name, from, to, tests) => ({
  file: `${ENGINE}/${name}.ts`,
  from,
  to,
  tests: (tests ?? [name]).map((test) => `${ENGINE}/${test}`),
});
const device =
  (on, extension) =>
  (name, from, to, tests, checked = false) => ({
    file: `kernels/${on}/${name}.${extension}`,
    from,
    to,
    tests: tests ?? [`${OPS}/${name.split('/')[1]}.test`],
    on,
    checked,
  });
const metal = device('metal', 'metal');
const metalHeader = device('metal', 'h');
const cuda = device('cuda', 'cuh');

export const MUTANTS = [
  // What core computes and checks
  op('rms_norm.cpu', 'squares / width + epsilon', 'squares / width'),
  op('rotary_embedding.cpu', 'output[second] = b * c + a * s;', 'output[second] = b * c - a * s;'),
  op('topk_softmax.cpu', '] < value)', '] <= value)'),
  op('sample_tokens.cpu', 'if (largest === -1) {', 'if (largest < -1) {'),
  {
    ...op(
      'sampling_parameters',
      'valid: (value) => value > 0 && value <= 1 && fitsFloat32(value)',
      'valid: (value) => value > 0 && value <= 1',
    ),
    tests: [`${OPS}/sample_tokens.test`],
  },
  op('merge_attention_states.cpu', 'if (weights[part] !== 0) sum', 'sum'),
  op('sort_tokens_by_expert', 'numExperts, 1, MAX_EXPERTS', 'numExperts, 0, MAX_EXPERTS'),
  {
    ...op('block_pairs', 'pairs[i] >= numBlocks', 'pairs[i] > numBlocks'),
    tests: [`${OPS}/copy_blocks.test`, `${OPS}/swap_blocks.test`],
  },
  op('copy_blocks', 'copyBlocksOp.check(layer, { pairs: runs[0] })', 'void layer'),
  op('reshape_and_cache.cpu', 'slot >= numSlots', 'slot > numSlots'),
  op('paged_attention.cpu', 'block < numBlocks) continue', 'block <= numBlocks) continue'),
  {
    ...op('query_ranges.cpu', 'cuSeqlens[i] <= rows', 'cuSeqlens[i] <= rows + 1'),
    tests: [`${OPS}/paged_attention.test`],
  },
  {
    file: 'packages/core/src/define_op.ts',
    from: 'if (other.dataId !== target.dataId && !isShared) continue;',
    to: 'if (other.dataId === target.dataId) continue;',
    tests: ['packages/core/src/define_op.test'],
  },
  {
    file: 'packages/core/src/checks.ts',
    from: 'if (known.includes(key)) continue;',
    to: 'continue;',
    tests: ['packages/core/src/options.test'],
  },

  // The cache
  cache('block_pool', 'if (this.#references[block]++ === 0)', 'if (this.#references[block]++ === 1)'),
  cache('block_pool', 'block = this.#newer[this.size];', 'block = this.#older[this.size];'),
  cache('prefix_index', "(parent !== NO_BLOCK || (this.#salts.get(block) ?? '') === salt) &&", ''),
  cache('prefix_index', '        this.#holds(block, tokens, start)\n', '        true\n'),
  cache('prefix_index', 'this.#parentContents[block] === parentContent &&', ''),

  // The engine
  engine(
    'scheduler',
    'if (turn.isDecode !== isDecode) continue;',
    'if (turn.isDecode === isDecode) continue;',
  ),
  engine('scheduler', 'return shared > computed;', 'return shared < computed;', ['scheduler', 'engine']),
  engine('scheduler', 'this.#blocks.free(victim.id);\n', '', ['scheduler', 'engine.property']),
  engine('scheduler', 'plan.drop(victim);\n', '', ['scheduler', 'engine.property']),
  engine('scheduler', 'if (this.#preemptNewest(plan) === sequence) return;', 'this.#preemptNewest(plan);', [
    'scheduler',
    'engine.property',
  ]),
  engine('scheduler', 'sequences[index - 1].id > sequence.id', 'sequences[index - 1].id < sequence.id', [
    'scheduler',
  ]),

  // Shaders
  metalHeader(
    'attention/attention',
    'return clamp(cu_seqlens_q[sequence], 0, params.tokens);',
    'return cu_seqlens_q[sequence];',
    [LIES],
    true,
  ),
  metalHeader(
    'attention/attention',
    'if (!has_cu_seqlens_q || sequence == 0) return sequence;',
    'if (!has_cu_seqlens_q) return sequence;',
    [LIES],
    true,
  ),
  metalHeader(
    'attention/attention',
    'clamp(position + 1 - params.window, 0, range.end)',
    'clamp(position - params.window, 0, range.end)',
    [`${OPS}/paged_attention.test`],
  ),
  metalHeader(
    'attention/attention',
    'precise::tanh(score) * params.cap_factor',
    'score * params.cap_factor',
    [`${OPS}/paged_attention.test`],
  ),
  metalHeader('attention/attention', 'float(key - row.position)', 'float(key + row.position)', [
    `${OPS}/paged_attention.test`,
  ]),
  metalHeader('cache/cache_layout', 'entry < num_blocks', 'entry <= num_blocks', [LIES]),
  metal('cache/reshape_and_cache', 'ulong(slot) >= num_slots', 'ulong(slot) > num_slots', [LIES], true),
  metal('attention/merge_attention_states', 'is_nan = is_nan || isnan(value);', ''),
  metal(
    'moe/topk_softmax',
    'token_weights[j] = valid ? token_weights[j] / total : NAN;',
    'token_weights[j] = token_weights[j] / total;',
  ),
  metal(
    'sampling/sample_tokens',
    'if (thread_index == 0) output[row_index] = valid ? int(most_likely.token) : -1;',
    'if (thread_index == 0) output[row_index] = int(most_likely.token);',
  ),

  // CUDA kernels, which are recompiled for each fault
  cuda('attention/merge_attention_states', 'if (is_nan) return {nan_value(), nan_value()};', ''),
  cuda(
    'cache/reshape_and_cache',
    'if (slot < 0 || slot >= slots) continue;',
    'if (slot < 0 || slot > slots) continue;',
    [LIES],
    true,
  ),
  cuda(
    'sampling/sample_tokens',
    'params.output[blockIdx.x] = valid ? int(most_likely) : -1;',
    'params.output[blockIdx.x] = int(most_likely);',
  ),
  cuda(
    'moe/topk_softmax',
    'valid ? token_weights[j] / total : __builtin_nanf("")',
    'token_weights[j] / total',
  ),
  cuda(
    'attention/attention_rows',
    'return min(max(params.cu_seqlens_q[sequence], 0), params.tokens);',
    'return params.cu_seqlens_q[sequence];',
    [LIES],
    true,
  ),
  cuda(
    'attention/attention_rows',
    'block < params.num_blocks ? block : -1',
    'block <= params.num_blocks ? block : -1',
    [LIES],
  ),
];
