import type { TensorInfo } from '@tensorflow/tfjs-core';

/** A tensor's name without the `?` that marks optional ones. */
export type TensorName<Name extends string> = Name extends `${infer Required}?` ? Required : Name;

/** Tensors by name; those marked with `?` may be `undefined`. */
export type NamedTensors<Name extends string> = {
  readonly [Each in Name as TensorName<Each>]: Each extends `${string}?`
    ? TensorInfo | undefined
    : TensorInfo;
};
