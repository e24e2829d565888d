import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
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

/** tfjs's names of the operations of a backend's unary kernel, in its order. */
const OPERATIONS = (
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil ClipByValue Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan LeakyRelu ' +
  'Log Log1p LogicalNot Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Step Tanh ' +
  'Tan'
).split(' ');

/** Those that int32 tensors have, too; the others run on the CPU for them, with float64 in between. */
const OF_INT32 = new Set(['Abs', 'Neg', 'Relu', 'Relu6', 'Sign', 'Square']);

/** Those that give truth values. */
const TO_BOOL = new Set(['IsFinite', 'IsInf', 'IsNan', 'LogicalNot']);

function inputTypes(name: string): NumericType[] {
  if (name === 'LogicalNot') return ['bool'];
  return OF_INT32.has(name) ? ['float32', 'int32'] : ['float32'];
}

/** Applies one of the operations to every element. `undefined` for a dtype that it does not serve. */
export function unary(
  backend: DeviceBackend,
  name: string,
  x: TensorInfo,
  { alpha = 0, clipValueMin = alpha, clipValueMax = 0 }: UnaryAttributes = {},
): TensorInfo | undefined {
  const { launches } = backend;
  const size = sizeOf(x.shape);
  if (!haveType([x], ...inputTypes(name)) || size >= launches.limits.size) return undefined;
  const dtype = TO_BOOL.has(name) ? 'bool' : (x.dtype as NumericType);
  const output = makeTensor(backend, x.shape, dtype, backend.storageOf(x.dataId));
  const operation = OPERATIONS.indexOf(name);
  if (size > 0)
    launches.unary(backend, { operation, x, output, size, alpha: clipValueMin, beta: clipValueMax });
  return output;
}

export const unaryKernels: readonly TfjsKernel[] = OPERATIONS.map((name) =>
  tfjsKernel<{ x: TensorInfo }, UnaryAttributes>(name, ({ inputs: { x }, attrs, backend }) =>
    unary(backend, name, x, attrs),
  ),
);
