import type { CpuTensor, CpuTensors, KernelCall, Op } from '@attention-js/core';
import { env } from '@tensorflow/tfjs-core';
import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { environmentVariable } from './environment.ts';

const FLAG = 'ATTENTION_CHECK_BOUNDS';

env().registerFlag(FLAG, () => environmentVariable(FLAG) === '1');

/** A tensor whose elements are downloaded on first use, so that checking a block table does not download the cache. */
class LazyCpuTensor implements CpuTensor {
  readonly shape: number[];
  readonly dataId: TensorInfo['dataId'];
  readonly #backend: KernelBackend;
  #values: CpuTensor['values'] | undefined;

  constructor(backend: KernelBackend, { shape, dataId }: TensorInfo) {
    this.shape = shape;
    this.dataId = dataId;
    this.#backend = backend;
  }

  get values(): CpuTensor['values'] {
    this.#values ??= this.#backend.readSync(this.dataId) as CpuTensor['values'];
    return this.#values;
  }
}

/**
 * With `ATTENTION_CHECK_BOUNDS=1`, reads the elements that `op` has rules for, and throws the same errors as `cpu` if
 * they break them.
 */
export function checkValues<Inputs extends object, Attributes extends object>(
  op: Op<Inputs, Attributes>,
  { inputs, attrs, backend }: KernelCall<Inputs, Attributes>,
): void {
  if (!op.checkValues || !env().getBool(FLAG)) return;
  const tensors = Object.entries<TensorInfo | undefined>(inputs as Record<string, TensorInfo | undefined>)
    .filter((entry): entry is [string, TensorInfo] => entry[1] !== undefined)
    .map(([name, input]) => [name, new LazyCpuTensor(backend, input)]);
  op.checkValues(Object.fromEntries(tensors) as CpuTensors<Inputs>, attrs);
}
