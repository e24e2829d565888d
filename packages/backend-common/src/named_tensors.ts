import type { TensorInfo } from '@tensorflow/tfjs-core';

/** The name of a tensor without the `?` of those that may be left out. */
export type TensorName<Name extends string> = Name extends `${infer Required}?` ? Required : Name;

/** Tensors by name; those with a `?` after their name may be `undefined`. */
export type NamedTensors<Name extends string> = {
  readonly [Each in Name as TensorName<Each>]: Each extends `${string}?`
    ? TensorInfo | undefined
    : TensorInfo;
};
