import { Tensor, tensor1d } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { describe, fitsFloat32, keysOf } from '../checks.ts';
import type { Checks } from '../checks.ts';

/**
 * Options of both attention ops, applied in this order. An array of slopes or sinks is uploaded in every call: pass a
 * tensor if the call is repeated.
 */
export interface AttentionOptions {
  /** Factor of every score; 1 / √headSize by default. */
  scale?: number;
  /** Whether a query attends only to keys at or before its own position; `true` by default. */
  causal?: boolean;
  /** `softcap · tanh(score / softcap)`, as in Gemma 2; `undefined` and 0 turn it off. */
  softcap?: number;
  /** Number of newest keys a query attends to, including its own, as in Mistral; all by default. */
  slidingWindow?: number;
  /** `[heads]` float32: adds `slope · (key position − query position)`, as in BLOOM. Press et al., 2021. */
  alibiSlopes?: Tensor | number[];
  /** `[heads]` float32: adds `exp(sink)` to the softmax's denominator, as in GPT-OSS. Xiao et al., 2023. */
  sinks?: Tensor | number[];
}

/** {@link AttentionOptions} as kernels receive them: numbers as attributes, `[heads]` tensors as inputs. */
export interface AttentionAttributes {
  /** Factor of every score. */
  scale: number;
  /** Whether a query attends only to keys at or before its own position. */
  causal: boolean;
  /** Cap of the scores; 0 for none. */
  softcap: number;
  /** Number of newest keys a query attends to; 0 for all. */
  slidingWindow: number;
}

/** The optional `[heads]` inputs of both attention ops. */
export interface HeadInputs {
  /** `[heads]` float32. */
  alibiSlopes?: TensorInfo;
  /** `[heads]` float32. */
  sinks?: TensorInfo;
}

/** Fills in defaults. `headSize` is read only if `scale` is not given. */
export function attentionAttributes(options: AttentionOptions, headSize: number): AttentionAttributes {
  const { scale = 1 / Math.sqrt(headSize), causal = true, softcap = 0, slidingWindow } = options;
  return { scale, causal, softcap, slidingWindow: slidingWindow ?? 0 };
}

/** Names of {@link AttentionOptions}. */
export const ATTENTION_OPTIONS = keysOf<AttentionOptions>({
  scale: true,
  causal: true,
  softcap: true,
  slidingWindow: true,
  alibiSlopes: true,
  sinks: true,
});

/**
 * Checks options as the user passed them.
 *
 * @param known Names of the op's options.
 */
export function checkAttentionOptions(
  checks: Checks,
  options: AttentionOptions,
  known: readonly string[] = ATTENTION_OPTIONS,
): void {
  checks.keys('options', options, known);
  const { scale, causal, softcap, slidingWindow } = options;
  if (scale !== undefined) checks.finite('scale', scale);
  if (causal !== undefined) checks.oneOf('causal', causal, [true, false]);
  if (softcap !== undefined) {
    checks.expect(
      Number.isFinite(softcap) && softcap >= 0 && fitsFloat32(softcap),
      'ERR_RANGE',
      'softcap',
      'a finite number >= 0',
      describe(softcap),
    );
  }
  if (slidingWindow !== undefined) checks.integer('slidingWindow', slidingWindow, 1);
  checkFactors(checks, scale, softcap);
}

/** Devices take powers of 2: they multiply scores by scale · log2(e), or by scale / softcap and softcap · log2(e). */
function checkFactors(checks: Checks, scale = 1, softcap = 0): void {
  const [option, value] = softcap > 0 ? ['softcap', softcap] : ['scale', scale];
  const product = `a number whose product with log2(e) fits float32`;
  checks.expect(fitsFloat32(value * Math.LOG2E), 'ERR_RANGE', option, product, describe(value));
  if (softcap === 0) return;
  const quotient = `a number by which scale ${scale} can be divided in float32`;
  checks.expect(fitsFloat32(scale / softcap), 'ERR_RANGE', 'softcap', quotient, describe(softcap));
}

/** Checks the `[heads]` inputs. */
export function checkHeadInputs(checks: Checks, { alibiSlopes, sinks }: HeadInputs, heads: number): void {
  checkHeadInput(checks, 'alibiSlopes', alibiSlopes, heads);
  checkHeadInput(checks, 'sinks', sinks, heads);
}

function checkHeadInput(
  checks: Checks,
  argument: string,
  tensor: TensorInfo | undefined,
  heads: number,
): void {
  if (!tensor) return;
  checks.storage(argument, tensor, 'float32');
  checks.shape(argument, tensor, [heads], ': one value per head');
}

/**
 * Runs `call` with the `[heads]` options as tensors. Tensors made here from arrays are disposed afterwards.
 *
 * @returns What `call` returns.
 */
export function withHeadTensors<T>(
  checks: Checks,
  { alibiSlopes, sinks }: AttentionOptions,
  call: (tensors: { alibiSlopes?: Tensor; sinks?: Tensor }) => T,
): T {
  const made: Tensor[] = [];
  const asTensor = (argument: string, values: Tensor | number[] | undefined): Tensor | undefined => {
    if (values === undefined || values instanceof Tensor) return values;
    const isFlat = Array.isArray(values) && values.every((value) => typeof value === 'number');
    checks.expect(isFlat, 'ERR_DTYPE', argument, 'a Tensor or an array of numbers', describe(values));
    made.push(tensor1d(values, 'float32'));
    return made[made.length - 1];
  };
  try {
    return call({ alibiSlopes: asTensor('alibiSlopes', alibiSlopes), sinks: asTensor('sinks', sinks) });
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

/** Checks that `query` is `[tokens, heads, headSize]` with whole groups of heads. */
export function checkQuery(checks: Checks, query: TensorInfo, kvHeads: number, headSize: number): void {
  const { shape } = query;
  const valid = shape.length === 3 && shape[2] === headSize && shape[1] > 0 && shape[1] % kvHeads === 0;
  if (valid) return;
  checks.fail(
    'ERR_SHAPE',
    'query',
    `shape [tokens, heads, ${headSize}] with heads a multiple of ${kvHeads}`,
    shape,
  );
}
