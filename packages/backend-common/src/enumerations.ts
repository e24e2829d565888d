// The numbers by which TypeScript and kernels call things: the only place where they are given. CUDA and Metal read them in
// kernels/*/common/enumerations.h, which `npm run enumerations` writes.
import type { ElementStorage } from '@attention-js/core';
import type { DataType } from '@tensorflow/tfjs-core';

type Enumeration<Name extends string> = Readonly<Record<Name, number>>;

/** Numbers names from 0. */
function enumerate<const Name extends string>(...names: readonly Name[]): Enumeration<Name> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Enumeration<Name>;
}

/** Types of elements in device memory. */
export const ElementType = enumerate('float32', 'float16', 'bfloat16', 'int32', 'bool8');

/** Functions of one element, by tfjs's names of their kernels. */
export const UnaryOperation = enumerate(
  'Abs',
  'Acos',
  'Acosh',
  'Asin',
  'Asinh',
  'Atan',
  'Atanh',
  'Ceil',
  'ClipByValue',
  'Cos',
  'Cosh',
  'Elu',
  'Erf',
  'Exp',
  'Expm1',
  'Floor',
  'IsFinite',
  'IsInf',
  'IsNan',
  'LeakyRelu',
  'Log',
  'Log1p',
  'LogicalNot',
  'Neg',
  'Reciprocal',
  'Relu',
  'Relu6',
  'Round',
  'Rsqrt',
  'Selu',
  'Sigmoid',
  'Sign',
  'Sin',
  'Sinh',
  'Softplus',
  'Sqrt',
  'Square',
  'Step',
  'Tanh',
  'Tan',
);

/** Functions of two elements, by tfjs's names of their kernels. */
export const BinaryOperation = enumerate(
  'Add',
  'Atan2',
  'Equal',
  'FloorDiv',
  'Greater',
  'GreaterEqual',
  'Less',
  'LessEqual',
  'LogicalAnd',
  'LogicalOr',
  'Maximum',
  'Minimum',
  'Mod',
  'Multiply',
  'NotEqual',
  'Pow',
  'Prelu',
  'RealDiv',
  'SquaredDifference',
  'Sub',
);

/** Reductions, by tfjs's names of their kernels. */
export const Reduction = enumerate('Sum', 'Mean', 'Prod', 'Max', 'Min', 'All', 'Any');

/** What an element of a matrix product becomes, by tfjs's names. */
export const MatMulActivation = enumerate('linear', 'relu', 'relu6', 'elu', 'leakyrelu', 'sigmoid');

/** What a gated MLP of a mixture of experts applies to its gate, by core's names. */
export const MoeActivation = enumerate('silu', 'gelu', 'gelu_tanh');

/** All of them, by the name of the C++ enumeration. */
export const enumerations: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ElementType,
  UnaryOperation,
  BinaryOperation,
  Reduction,
  MatMulActivation,
  MoeActivation,
};

/** The number of a tensor's element type. */
export function elementType(dtype: DataType, storage: ElementStorage): number {
  if (dtype === 'float32') return ElementType[storage];
  return dtype === 'int32' ? ElementType.int32 : ElementType.bool8;
}
