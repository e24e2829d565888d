import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import {
  computeType,
  elementType,
  haveOneNumericType,
  haveType,
  makeTensor,
  promotedStorage,
} from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE, broadcastStrides, collapse, shapeParams, strideParams } from './strides.ts';

const ELEMENTS_PER_THREAD = 8;

const ALL: NumericType[] = ['float32', 'int32', 'bool'];
const NUMBERS: NumericType[] = ['float32', 'int32'];
const FLOATS: NumericType[] = ['float32'];

/** The operations of binary.metal, in its order: what they take, and what they give where that is another type. */
const OPERATIONS: readonly { name: string; inputs: NumericType[]; output?: NumericType }[] = [
  { name: 'Add', inputs: NUMBERS },
  { name: 'Atan2', inputs: FLOATS },
  { name: 'Equal', inputs: ALL, output: 'bool' },
  { name: 'FloorDiv', inputs: NUMBERS, output: 'int32' },
  { name: 'Greater', inputs: ALL, output: 'bool' },
  { name: 'GreaterEqual', inputs: ALL, output: 'bool' },
  { name: 'Less', inputs: ALL, output: 'bool' },
  { name: 'LessEqual', inputs: ALL, output: 'bool' },
  { name: 'LogicalAnd', inputs: ['bool'], output: 'bool' },
  { name: 'LogicalOr', inputs: ['bool'], output: 'bool' },
  { name: 'Maximum', inputs: NUMBERS },
  { name: 'Minimum', inputs: NUMBERS },
  { name: 'Mod', inputs: NUMBERS },
  { name: 'Multiply', inputs: NUMBERS },
  { name: 'NotEqual', inputs: ALL, output: 'bool' },
  { name: 'Pow', inputs: NUMBERS },
  { name: 'Prelu', inputs: FLOATS },
  { name: 'RealDiv', inputs: FLOATS },
  { name: 'SquaredDifference', inputs: NUMBERS },
  { name: 'Sub', inputs: NUMBERS },
];

/** Applies one of the operations to every pair of elements, broadcast. `undefined` for what it does not serve. */
export function binary(
  backend: MetalBackend,
  name: string,
  a: TensorInfo,
  b: TensorInfo,
): TensorInfo | undefined {
  const operation = OPERATIONS.findIndex((candidate) => candidate.name === name);
  const { inputs, output: outputDtype } = OPERATIONS[operation];
  if (!haveOneNumericType(a, b) || !haveType([a], ...inputs)) return undefined;
  const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const strides = [a, b].map((operand) => broadcastStrides(operand.shape, shape));
  const walk = collapse(shape, strides);
  const size = sizeOf(shape);
  if (!walk || size >= MAX_SIZE) return undefined;

  const dtype = outputDtype ?? (a.dtype as NumericType);
  const output = makeTensor(backend, shape, dtype, promotedStorage(backend, a, b));
  const isContiguous = walk.strides.every((own) => own.length === 0 || (own.length === 1 && own[0] === 1));
  backend.dispatch({
    shader: 'binary',
    function: `binary_${computeType(a)}`,
    constants: {
      operation,
      a_type: elementType(backend, a),
      b_type: elementType(backend, b),
      output_type: elementType(backend, output),
      contiguous: isContiguous,
    },
    buffers: [a, b, output],
    params: [
      ...walk.strides.flatMap((own) => strideParams(own)),
      ...shapeParams(walk.shape),
      uint32(walk.shape.length),
      uint32(size),
    ],
    ...stridedGrid(size, ELEMENTS_PER_THREAD),
  });
  return output;
}

for (const { name } of OPERATIONS) {
  if (name === 'Prelu') {
    tfjsKernel<{ x: TensorInfo; alpha: TensorInfo }, object>(name, ({ inputs: { x, alpha }, backend }) =>
      binary(backend, name, x, alpha),
    );
    continue;
  }
  tfjsKernel<{ a: TensorInfo; b: TensorInfo }, object>(name, ({ inputs: { a, b }, backend }) =>
    binary(backend, name, a, b),
  );
}

tfjsKernel<TensorInfo[], object>('AddN', ({ inputs: [first, ...others], backend }) => {
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
