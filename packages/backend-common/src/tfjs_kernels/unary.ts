import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { UnaryOperation } from '../enumerations.ts';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { haveType, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

interface UnaryAttributes {
  alpha?: number;
  clipValueMin?: number;
  clipValueMax?: number;
}

type OperationName = keyof typeof UnaryOperation;

/** Operations that also support int32. The others run on the CPU for int32, which computes them in float64. */
const INT32_OPERATIONS = new Set<OperationName>(['Abs', 'Neg', 'Relu', 'Relu6', 'Sign', 'Square']);

/** Operations with a bool result. */
const BOOL_OPERATIONS = new Set<OperationName>(['IsFinite', 'IsInf', 'IsNan', 'LogicalNot']);

function inputTypes(name: OperationName): NumericType[] {
  if (name === 'LogicalNot') return ['bool'];
  return INT32_OPERATIONS.has(name) ? ['float32', 'int32'] : ['float32'];
}

/** Applies an operation to every element. Returns `undefined` if the dtype is not supported. */
export function unary(
  backend: DeviceBackend,
  name: OperationName,
  x: TensorInfo,
  { alpha = 0, clipValueMin = alpha, clipValueMax = 0 }: UnaryAttributes = {},
): TensorInfo | undefined {
  const { launches } = backend;
  const size = sizeOf(x.shape);
  if (!haveType([x], ...inputTypes(name)) || size >= launches.limits.size) return undefined;
  const dtype = BOOL_OPERATIONS.has(name) ? 'bool' : (x.dtype as NumericType);
  const output = makeTensor(backend, x.shape, dtype, backend.elementStorageOf(x.dataId));
  const operation = UnaryOperation[name];
  if (size > 0)
    launches.unary(backend, { operation, x, output, size, alpha: clipValueMin, beta: clipValueMax });
  return output;
}

export const unaryKernels: readonly TfjsKernel[] = (Object.keys(UnaryOperation) as OperationName[]).map(
  (name) =>
    tfjsKernel<{ x: TensorInfo }, UnaryAttributes>(name, ({ inputs: { x }, attrs, backend }) =>
      unary(backend, name, x, attrs),
    ),
);
