import { tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { sampleTokensCpu } from './sample_tokens.cpu.ts';
import { NUM_SAMPLING_FIELDS, packSamplingParameters, SAMPLING_PARAMETERS } from './sampling_parameters.ts';
import type { SamplingParameters } from './sampling_parameters.ts';

/** Inputs of {@link sampleTokensOp} by name. */
export interface SampleTokensInputs {
  /** `[rows, vocabulary]` float32 in any storage type. */
  logits: TensorInfo;
  /**
   * `[6, rows]` int32, one upload for all parameters: the bits of the float32 temperature, topP and minP, then topK, seed
   * and position as int32. {@link sampleTokens} checks them.
   */
  parameters: TensorInfo;
}

const checks = new Checks('sampleTokens');

function checkLogits(logits: TensorInfo): void {
  checks.shape('logits', logits, ['rows', 'vocabulary']);
  checks.expectShape(logits.shape[1] > 0, 'logits', logits, 'a vocabulary of at least one token');
  checks.dtype('logits', logits, 'float32');
}

/**
 * The op behind {@link sampleTokens}, for packages that add a kernel.
 *
 * Every kernel draws the same random bits. Token `t` of a row takes word `t mod 4` of Philox 4x32-10 with counter
 * `(floor(t / 4), position, 0, 0)` and key `(seed, 0)`, all unsigned. A word `b` becomes the noise
 * `-ln(-ln(1 - (b + 0.5) / 2^32))`, and the row's result is the first token that is kept and has the largest
 * `(logit - maximum) / temperature + noise`, in float32 or better.
 */
export const sampleTokensOp = defineCoreOp<SampleTokensInputs, object>({
  name: 'SampleTokens',
  check({ logits, parameters }) {
    checkLogits(logits);
    checks.shape('parameters', parameters, [NUM_SAMPLING_FIELDS, logits.shape[0]]);
    checks.dtype('parameters', parameters, 'int32');
  },
  outputs: ({ logits }) => [{ shape: [logits.shape[0]], dtype: 'int32' }],
  kernels: { cpu: sampleTokensCpu },
});

/**
 * Samples a token for each row of logits. Every parameter is a number for all rows, or an array with one number per row.
 *
 * The filters are applied in Hugging Face's order: the logits are divided by the temperature; top-k keeps the k most likely
 * tokens; top-p, on the remaining probabilities scaled to sum to 1, keeps a token if the more likely ones sum to less than
 * `topP`; min-p keeps a token if it is at least `minP` times as likely as the most likely one. (vLLM applies min-p first, so
 * its top-p sees only the tokens that min-p keeps.) Tokens of equal logits are kept or dropped together, so top-k may keep
 * more than k. The most likely token is always kept.
 *
 * The draw is the Gumbel-max trick with noise that depends only on seed, position and token id: a row gets the same token
 * whatever other rows are in the batch, in any order, and in any run. Backends agree too, except for rows whose best two
 * scores, or a filter's boundary, differ by no more than rounding.
 *
 * @param logits `[rows, vocabulary]` float32 in any storage type; -Infinity excludes a token.
 * @param parameters Parameters by row. `seeds` and `positions` are required unless every temperature is 0.
 * @returns `[rows]` int32 token ids. At temperature 0, the token with the largest logit; ties go to the lowest id. −1 for a
 * row that cannot be sampled, because its logits hold NaN or have no finite maximum: look for it before you use a token.
 * @throws AttentionError `ERR_SHAPE` or `ERR_DTYPE` for other logits, `ERR_SHAPE` for a parameter with another number
 * of rows, `ERR_RANGE` for a value that is missing or out of range (as float32: a `topP` of 1e-46 is 0),
 * `ERR_UNSUPPORTED` for an unknown parameter.
 * @see Maddison et al., "A* Sampling", 2014 (Gumbel-max); Holtzman et al., "The Curious Case of Neural Text
 * Degeneration", 2020 (top-p); Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024.
 */
export function sampleTokens(logits: Tensor, parameters: SamplingParameters): Tensor1D {
  checks.tensor('logits', logits);
  checkLogits(logits);
  checks.keys('parameters', parameters, SAMPLING_PARAMETERS);
  const rows = logits.shape[0];
  const packed = packSamplingParameters(checks, parameters, rows);
  return tidy(() => {
    const packedTensor = tensor2d(packed, [NUM_SAMPLING_FIELDS, rows], 'int32');
    return sampleTokensOp({ logits, parameters: packedTensor }, {})[0] as Tensor1D;
  });
}
