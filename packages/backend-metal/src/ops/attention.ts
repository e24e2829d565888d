import { paramsTable } from '@attention-js/backend-common';
import type { NamedTensors, ParamsTable, ParamValues } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, elementStorageOf } from '@attention-js/core';
import type { AttentionAttributes, HeadInputs, OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import type { ShaderKernel } from '../shader_kernel.ts';
import { mergeStates } from './merge_attention_states.ts';

/** Enough threadgroups to fill any Apple GPU; smaller grids split the keys to approach this number. */
const WANTED_THREADGROUPS = 128;
/** The fewest keys per split. */
const MIN_KEYS_PER_SPLIT = 256;

// As in kernels/metal/attention/attention.h, attention_vector.h and attention_matrix.h.
const NUM_SIMDGROUPS = 4;
const MAX_VECTOR_ROWS = 3;
const MATRIX_ROWS = [8, 16, 32] as const;
const MAX_QUERY_BYTES = 16_384;
const KEY_TILE_BYTES = 8704;
const MAX_WINDOW = 2 ** 30;

const table = paramsTable('AttentionParams', {
  tokens: 'int32',
  sequences: 'int32',
  kvHeads: 'int32',
  splits: 'int32',
  window: 'int32',
  scoreFactor: 'float32',
  capFactor: 'float32',
  numBlocks: 'int32',
  blockSize: 'int32',
  maxBlocks: 'int32',
  keys: 'int32',
  maskHeads: 'int32',
  maskRows: 'int32',
  maskKeys: 'int32',
});

type TableFields = typeof table extends ParamsTable<infer Fields> ? Fields : never;

/** Tensors that both attention shaders bind in the same way. */
type SharedTensor = 'query' | 'alibiSlopes?' | 'sinks?' | 'output?' | 'partialOutput?' | 'lse?';

/**
 * Describes the kernel of an attention shader. The two differ in their tensors for keys.
 *
 * @param keyTensors The tensors that the shader binds between the query and the slopes.
 */
export const attentionKernel = <const Name extends string>(
  shader: 'paged_attention' | 'varlen_attention',
  keyTensors: readonly Name[],
): ShaderKernel<Name | SharedTensor, TableFields> =>
  shaderKernel(
    shader,
    ['query', ...keyTensors, 'alibiSlopes?', 'sinks?', 'output?', 'partialOutput?', 'lse?'],
    table,
  );

/** A call of an attention op. */
export interface AttentionCall<Name extends string> {
  kernel: ReturnType<typeof attentionKernel<Name>>;
  /** `[tokens, heads, headSize]`. */
  query: TensorInfo;
  /** The tensors that the shader binds between the query and the slopes. */
  keyTensors: NamedTensors<Name>;
  /** ALiBi slopes and sinks. */
  heads: HeadInputs;
  /** Scale, causality, softcap, window. */
  attrs: AttentionAttributes;
  /** The output and, if there are two, the log-sum-exp. */
  outputs: OutputSpec[];
  /** Number of KV heads. */
  kvHeads: number;
  /** Number of sequences. */
  sequences: number;
  /** Whether cuSeqlensQ gives the query lengths; otherwise each sequence has one token. */
  hasCuSeqlensQ: boolean;
  /** Hints. They affect the choice of kernel and grid, never the result. */
  longest: { query: number | undefined; context: number | undefined };
  /** Upper bound on keys per sequence. */
  maxKeys: number;
  /** Sizes of a paged cache, if there is one. */
  cache?: { layout: 'flash' | 'vllm'; numBlocks: number; blockSize: number; maxBlocks: number };
  /** Number of contiguous keys, and the three-dimensional shape of the additive mask. */
  contiguous?: { keys: number; maskShape?: readonly number[] };
}

/** The kernel for a batch, and its rows per threadgroup. */
interface Tiling {
  algorithm: string;
  rows: number;
  lanesPerKey: number;
  threadgroupBytes: number;
}

function chooseTiling(headSize: number, bytes: number, rowsPerSequence: number, isVllm: boolean): Tiling {
  const lanesPerKey = headSize <= 128 ? 8 : headSize <= 256 ? 16 : 32;
  if (rowsPerSequence <= MAX_VECTOR_ROWS && !isVllm) {
    const rows = Math.max(1, rowsPerSequence);
    const threadgroupBytes = NUM_SIMDGROUPS * rows * (headSize + 2) * 4;
    return { algorithm: 'vector', rows, lanesPerKey, threadgroupBytes };
  }
  const fitting = MATRIX_ROWS.filter((rows) => rows * headSize * bytes <= MAX_QUERY_BYTES);
  const rows = fitting.find((candidate) => candidate >= rowsPerSequence) ?? fitting[fitting.length - 1];
  // Scores, rescale factors and row factors; a tile of keys; the queries.
  const threadgroupBytes = rows * 164 + KEY_TILE_BYTES + rows * (headSize * bytes + 16);
  return { algorithm: `matrix_${rows}`, rows, lanesPerKey, threadgroupBytes };
}

/** Chooses the number of splits of the keys. */
function chooseSplits(threadgroups: number, keys: number): number {
  const wanted = Math.floor(WANTED_THREADGROUPS / Math.max(1, threadgroups));
  return Math.max(1, Math.min(wanted, Math.floor(keys / MIN_KEYS_PER_SPLIT)));
}

/** Clamps a hint to an integer from 1 to `most`; `most` if there is no usable hint. */
function upperBound(hint: number | undefined, most: number): number {
  return hint !== undefined && hint >= 1 ? Math.min(Math.ceil(hint), Math.max(1, most)) : Math.max(1, most);
}

/** Runs attention, and merges its splits if there are several. */
export function attend<Name extends string>(backend: MetalBackend, call: AttentionCall<Name>): TensorInfo[] {
  const { kernel, query, keyTensors, attrs, outputs, kvHeads, sequences, hasCuSeqlensQ, longest, maxKeys } =
    call;
  const { alibiSlopes, sinks } = call.heads;
  const [tokens, heads, headSize] = query.shape;
  const group = heads / kvHeads;
  const isVllm = call.cache?.layout === 'vllm';

  const averageLength = Math.max(1, Math.round(tokens / Math.max(1, sequences)));
  const queryLength = hasCuSeqlensQ ? Math.min(upperBound(longest.query, tokens), averageLength) : 1;
  const bytes = BYTES_PER_ELEMENT[elementStorageOf(query)];
  const { algorithm, rows, lanesPerKey, threadgroupBytes } = chooseTiling(
    headSize,
    bytes,
    queryLength * group,
    isVllm,
  );
  // With cuSeqlensQ, the tiles that find_tile reserves, including the padding's; some of them are empty.
  const tiles = hasCuSeqlensQ
    ? Math.floor((tokens * group) / rows) + sequences + 1
    : sequences * Math.ceil(group / rows);
  const busyTiles = Math.max(sequences, Math.ceil((tokens * group) / rows));
  const keys = Math.min(
    upperBound(longest.context, maxKeys),
    attrs.slidingWindow ? attrs.slidingWindow + queryLength : Infinity,
  );
  const splits = backend.splits ?? chooseSplits(busyTiles * kvHeads, keys);
  const isSplit = splits > 1;

  const partialSpecs: OutputSpec[] = [
    { shape: [splits, tokens, heads, headSize], dtype: 'float32' },
    { shape: [splits, tokens, heads], dtype: 'float32' },
  ];
  const made = (isSplit ? partialSpecs : outputs).map((spec) => backend.makeOutput(spec));
  const [output, lse] = made;
  const maskShape = call.contiguous?.maskShape;
  const tensors = {
    ...keyTensors,
    query,
    alibiSlopes,
    sinks,
    output: isSplit ? undefined : output,
    partialOutput: isSplit ? output : undefined,
    lse,
  };
  backend.run(kernel as ShaderKernel<SharedTensor, TableFields>, tensors, attentionParams(call, splits), {
    variant: `${algorithm}_${backend.mslType(query)}`,
    constants: {
      head_size: headSize,
      group_size: group,
      rows_per_tile: rows,
      lanes_per_key: lanesPerKey,
      has_cu_seqlens_q: hasCuSeqlensQ,
      is_causal: attrs.causal,
      has_softcap: attrs.softcap > 0,
      has_window: attrs.slidingWindow > 0,
      has_alibi: alibiSlopes !== undefined,
      has_sinks: sinks !== undefined,
      has_mask: maskShape !== undefined,
      has_lse: lse !== undefined,
      is_split: isSplit,
      vllm_layout: isVllm,
    },
    threadgroups: [tiles, kvHeads, splits],
    threads: [NUM_SIMDGROUPS * 32, 1, 1],
    threadgroupBytes,
  });
  if (!isSplit) return made;
  const merged = mergeStates(backend, { outputs: output, lses: lse, sinks }, outputs);
  for (const partial of made) backend.disposeIntermediateTensorInfo(partial);
  return merged;
}

function attentionParams<Name extends string>(
  call: AttentionCall<Name>,
  splits: number,
): ParamValues<TableFields> {
  const { query, attrs, kvHeads, sequences, cache, contiguous } = call;
  const { scale, softcap, slidingWindow } = attrs;
  const [maskHeads, maskRows, maskKeys] = contiguous?.maskShape ?? [0, 0, 0];
  return {
    tokens: query.shape[0],
    sequences,
    kvHeads,
    splits,
    window: Math.min(slidingWindow, MAX_WINDOW),
    scoreFactor: softcap > 0 ? scale / softcap : scale * Math.LOG2E,
    capFactor: softcap * Math.LOG2E,
    numBlocks: cache?.numBlocks ?? 0,
    blockSize: cache?.blockSize ?? 1,
    maxBlocks: cache?.maxBlocks ?? 0,
    keys: contiguous?.keys ?? 0,
    maskHeads,
    maskRows,
    maskKeys,
  };
}
