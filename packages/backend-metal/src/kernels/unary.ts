import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { computeType, elementType, haveType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

const ELEMENTS_PER_THREAD = 8;

interface UnaryAttributes {
  alpha?: number;
  clipValueMin?: number;
  clipValueMax?: number;
}

/**
 * tfjs's names of the operations of unary.metal, in its order. Not Tan: near its poles float32 is too far from what tfjs's
 * own tests ask for.
 */
const OPERATIONS = (
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil ClipByValue Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan LeakyRelu ' +
  'Log Log1p LogicalNot Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Step Tanh'
).split(' ');

/** Those that int32 tensors have, too; the others run on the host for them, with float64 in between. */
const OF_INT32 = new Set(['Abs', 'Neg', 'Relu', 'Relu6', 'Sign', 'Square']);

/** Those that give truth values. */
const TO_BOOL = new Set(['IsFinite', 'IsInf', 'IsNan', 'LogicalNot']);

function inputTypes(name: string): NumericType[] {
  if (name === 'LogicalNot') return ['bool'];
  return OF_INT32.has(name) ? ['float32', 'int32'] : ['float32'];
}

/** Applies one of the operations to every element. `undefined` for a dtype that it does not serve. */
export function unary(
  backend: MetalBackend,
  name: string,
  x: TensorInfo,
  { alpha = 0, clipValueMin = alpha, clipValueMax = 0 }: UnaryAttributes = {},
): TensorInfo | undefined {
  const size = sizeOf(x.shape);
  if (!haveType([x], ...inputTypes(name)) || size >= MAX_SIZE) return undefined;
  const dtype = TO_BOOL.has(name) ? 'bool' : (x.dtype as NumericType);
  const output = makeTensor(backend, x.shape, dtype, backend.storageOf(x.dataId));
  backend.dispatch({
    shader: 'unary',
    function: `unary_${computeType(x)}`,
    constants: {
      operation: OPERATIONS.indexOf(name),
      x_type: elementType(backend, x),
      output_type: elementType(backend, output),
    },
    buffers: [x, output],
    params: [uint32(size), float32(clipValueMin), float32(clipValueMax)],
    ...stridedGrid(size, ELEMENTS_PER_THREAD),
  });
  return output;
}

for (const name of OPERATIONS) {
  tfjsKernel<{ x: TensorInfo }, UnaryAttributes>(name, ({ inputs: { x }, attrs, backend }) =>
    unary(backend, name, x, attrs),
  );
}
