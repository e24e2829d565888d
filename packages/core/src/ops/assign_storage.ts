import { Tensor } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, countOf, describe, isDetached } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageBackend } from '../storage/storage_backend.ts';
import { assignStorageCpu } from './assign_storage.cpu.ts';

/** Inputs of {@link assignStorage} from a tensor, by name. */
export interface AssignStorageInputs {
  /** Float32 or int32; overwritten. */
  destination: TensorInfo;
  /** Shape and dtype of `destination`, any storage type. */
  source: TensorInfo;
}

const checks = new Checks('assignStorage');

function checkDestination(destination: TensorInfo): void {
  checks.dtype('destination', destination, 'float32', 'int32');
  checks.noBlocks('destination', destination);
}

/** The op behind {@link assignStorage} from a tensor, for packages that add a kernel. */
export const assignStorageOp = defineCoreOp<AssignStorageInputs, object>({
  name: 'AssignStorage',
  check({ destination, source }) {
    checkDestination(destination);
    checks.dtype('source', source, destination.dtype);
    checks.shape('source', source, destination.shape, ' to match destination');
  },
  outputs: () => [],
  mutates: ['destination'],
  kernels: { cpu: assignStorageCpu },
});

/**
 * Overwrites a tensor **in place**, rounding to its storage type. Tensors that share its data (`clone`, `reshape`) change
 * too. `tf.Variable.assign`, in contrast, replaces the data.
 *
 * @param destination Float32 tensor in any storage type, or int32 tensor.
 * @param source A tensor of the same shape and dtype in any storage type, or a typed array with as many elements:
 * `Float32Array` for float32, `Int32Array` for int32.
 * @throws AttentionError `ERR_DTYPE` if the dtypes differ or are neither float32 nor int32, `ERR_SHAPE` if shapes or lengths
 * differ, `ERR_DISPOSED` for a disposed tensor, `ERR_UNSUPPORTED` while a gradient is recorded, if the backend has no
 * storage types, or on `cpu` for a `destination` that `tf.cast` made from int32 or bool (the two share memory).
 */
export function assignStorage(destination: Tensor, source: Tensor | Float32Array | Int32Array): void {
  if (source instanceof Tensor) {
    assignStorageOp({ destination, source }, {});
    return;
  }
  checks.tensor('destination', destination);
  checks.notRecorded('destination');
  checkDestination(destination);
  const [matches, expected] =
    destination.dtype === 'int32'
      ? [source instanceof Int32Array, 'Int32Array']
      : [source instanceof Float32Array, 'Float32Array'];
  const dtype = destination.dtype;
  checks.expect(matches, 'ERR_DTYPE', 'source', `a Tensor or ${expected} for ${dtype}`, describe(source));
  const received = 'one whose buffer is detached';
  checks.expect(!isDetached(source), 'ERR_DTYPE', 'source', `a Tensor or ${expected}`, received);
  const { size } = destination;
  checks.expect(source.length === size, 'ERR_SHAPE', 'source', countOf(size, 'element'), source.length);
  storageBackend('assignStorage', destination).assign(destination, source);
}
