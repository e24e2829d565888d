import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { BinaryOperation } from '../enumerations.ts';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { broadcastStrides, collapse } from './strides.ts';
import { haveOneNumericType, haveType, makeTensor, promotedStorage } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const ALL: NumericType[] = ['float32', 'int32', 'bool'];
const NUMBERS: NumericType[] = ['float32', 'int32'];
const FLOATS: NumericType[] = ['float32'];

type OperationName = keyof typeof BinaryOperation;

/** The dtypes that operations accept, and the output's dtype if it differs. */
const OPERATIONS: Readonly<Record<OperationName, { inputs: NumericType[]; output?: NumericType }>> = {
  Add: { inputs: NUMBERS },
  Atan2: { inputs: FLOATS },
  Equal: { inputs: ALL, output: 'bool' },
  FloorDiv: { inputs: NUMBERS, output: 'int32' },
  Greater: { inputs: ALL, output: 'bool' },
  GreaterEqual: { inputs: ALL, output: 'bool' },
  Less: { inputs: ALL, output: 'bool' },
  LessEqual: { inputs: ALL, output: 'bool' },
  LogicalAnd: { inputs: ['bool'], output: 'bool' },
  LogicalOr: { inputs: ['bool'], output: 'bool' },
  Maximum: { inputs: NUMBERS },
  Minimum: { inputs: NUMBERS },
  Mod: { inputs: NUMBERS },
  Multiply: { inputs: NUMBERS },
  NotEqual: { inputs: ALL, output: 'bool' },
  Pow: { inputs: NUMBERS },
  Prelu: { inputs: FLOATS },
  RealDiv: { inputs: FLOATS },
  SquaredDifference: { inputs: NUMBERS },
  Sub: { inputs: NUMBERS },
};

/**
 * Applies an operation to every pair of elements, broadcast. Returns `undefined` if the dtypes or shapes are not
 * supported.
 */
export function binary(
  backend: DeviceBackend,
  name: OperationName,
  a: TensorInfo,
  b: TensorInfo,
): TensorInfo | undefined {
  const { inputs, output: outputDtype } = OPERATIONS[name];
  if (!haveOneNumericType(a, b) || !haveType([a], ...inputs)) return undefined;
  const { launches } = backend;
  const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const strides = [a, b].map((operand) => broadcastStrides(operand.shape, shape));
  const walk = collapse(shape, strides, launches.limits.rank);
  const size = sizeOf(shape);
  if (!walk || size >= launches.limits.size) return undefined;
  const dtype = outputDtype ?? (a.dtype as NumericType);
  const output = makeTensor(backend, shape, dtype, promotedStorage(backend, a, b));
  if (size > 0) launches.binary(backend, { operation: BinaryOperation[name], a, b, output, size, walk });
  return output;
}

/** tfjs's kernel of an operation. */
const binaryKernel = (name: OperationName): TfjsKernel =>
  name === 'Prelu'
    ? tfjsKernel<{ x: TensorInfo; alpha: TensorInfo }, object>(name, ({ inputs: { x, alpha }, backend }) =>
        binary(backend, name, x, alpha),
      )
    : tfjsKernel<{ a: TensorInfo; b: TensorInfo }, object>(name, ({ inputs: { a, b }, backend }) =>
        binary(backend, name, a, b),
      );

const addN = tfjsKernel<TensorInfo[], object>('AddN', ({ inputs: [first, ...others], backend }) => {
  if (others.length === 0 || !haveOneNumericType(first, ...others) || !haveType([first], ...NUMBERS)) {
    return undefined;
  }
  let sum = first;
  for (const term of others) {
    const next = binary(backend, 'Add', sum, term);
    if (sum !== first) backend.disposeIntermediateTensorInfo(sum);
    if (!next) return undefined;
    sum = next;
  }
  return sum;
});

export const binaryKernels: readonly TfjsKernel[] = [
  ...(Object.keys(BinaryOperation) as OperationName[]).map(binaryKernel),
  addN,
];
