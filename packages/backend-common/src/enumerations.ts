// The enumerations shared by TypeScript and kernels. This is their only definition: `npm run enumerations` generates
// kernels/*/common/enumerations.h from it.
import { BLOCK_STORAGE_TYPES } from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import type { DataType } from '@tensorflow/tfjs-core';

type Enumeration<Name extends string> = Readonly<Record<Name, number>>;

/** Assigns numbers to names, counting from 0. */
function enumerate<const Name extends string>(...names: readonly Name[]): Enumeration<Name> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Enumeration<Name>;
}

/** Types in device memory: of elements, and of blocks of them. */
export const ElementType = enumerate(
  'float32',
  'float16',
  'bfloat16',
  'int32',
  'bool8',
  ...BLOCK_STORAGE_TYPES,
);

/** Unary operations, by the names of tfjs's kernels. */
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

/** Binary operations, by the names of tfjs's kernels. */
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

/** Reductions, by the names of tfjs's kernels. */
export const Reduction = enumerate('Sum', 'Mean', 'Prod', 'Max', 'Min', 'All', 'Any');

/** Activations fused into a matrix product, by tfjs's names. */
export const MatMulActivation = enumerate('linear', 'relu', 'relu6', 'elu', 'leakyrelu', 'sigmoid');

/** Activations of the gate in a mixture of experts, by core's names. */
export const MoeActivation = enumerate('silu', 'gelu', 'gelu_tanh');

/** All enumerations, by their name in C++. */
export const enumerations: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ElementType,
  UnaryOperation,
  BinaryOperation,
  Reduction,
  MatMulActivation,
  MoeActivation,
};

/** The number of an element type. */
export function elementType(dtype: DataType, storage: StorageType): number {
  if (dtype === 'float32') return ElementType[storage];
  return dtype === 'int32' ? ElementType.int32 : ElementType.bool8;
}
