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

/** Those that int32 tensors have, too; the others run on the CPU for them, with float64 in between. */
const OF_INT32 = new Set<OperationName>(['Abs', 'Neg', 'Relu', 'Relu6', 'Sign', 'Square']);

/** Those that give truth values. */
const TO_BOOL = new Set<OperationName>(['IsFinite', 'IsInf', 'IsNan', 'LogicalNot']);

function inputTypes(name: OperationName): NumericType[] {
  if (name === 'LogicalNot') return ['bool'];
  return OF_INT32.has(name) ? ['float32', 'int32'] : ['float32'];
}

/** Applies one of the operations to every element. `undefined` for a dtype that it does not serve. */
export function unary(
  backend: DeviceBackend,
  name: OperationName,
  x: TensorInfo,
  { alpha = 0, clipValueMin = alpha, clipValueMax = 0 }: UnaryAttributes = {},
): TensorInfo | undefined {
  const { launches } = backend;
  const size = sizeOf(x.shape);
  if (!haveType([x], ...inputTypes(name)) || size >= launches.limits.size) return undefined;
  const dtype = TO_BOOL.has(name) ? 'bool' : (x.dtype as NumericType);
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
