import { storageOf } from '@attention-js/core';
import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES } from '../../../backend-common/src/testing/expect_as_on_cpu.ts';
import { TOLERANCE, relativeError } from '../../../core/src/testing/compare.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { randomTensor } from '../../../core/src/testing/tensors.ts';
import { describeOnCuda, isEmulated } from '../testing/cuda.ts';
import { CUBLASLT_FLAG } from './matmul.ts';

// Rows, depth and columns that select each tile, whole and partial, and that split the depth. The splits depend on the
// number of multiprocessors, of which the emulator has 8.
const sizes = isEmulated
  ? [
      [136, 200, 264],
      [250, 72, 1000],
      [70, 712, 264],
      [17, 1096, 136],
      [130, 333, 67],
      [16, 1096, 40],
      [4, 1096, 520],
      [3, 333, 67],
      [2, 4104, 24],
      [1, 1096, 520],
      [1, 4104, 24],
    ]
  : [
      [2056, 520, 4104],
      [520, 1032, 4104],
      [136, 2056, 2056],
      [64, 4096, 1032],
      [17, 8192, 264],
      [257, 1333, 1031],
      [16, 4096, 1032],
      [1, 4096, 1032],
      [4, 4096, 1032],
      [3, 333, 67],
      [2, 8200, 200],
      [2, 4104, 1032],
      [1, 8200, 200],
    ];

interface Matrix {
  values: ArrayLike<number>;
  /** Strides in elements between lines and between steps of the depth. */
  strides: [number, number];
}

/** The product in float64. */
function dots(a: Matrix, b: Matrix, depth: number, pairs: [number, number][]): number[] {
  return pairs.map(([row, column]) => {
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      sum +=
        a.values[row * a.strides[0] + k * a.strides[1]] * b.values[column * b.strides[0] + k * b.strides[1]];
    }
    return sum;
  });
}

const bitsOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

describeOnCuda('tiles of matrix products', () => {
  afterEach(() => tf.env().set(CUBLASLT_FLAG, true));

  // The emulator has no cuBLASLt.
  const ways = STORAGES.flatMap((storage) =>
    (isEmulated ? [false] : [true, false]).map((cublaslt) => [storage, cublaslt] as const),
  );
  test.each(ways)('%s, cuBLASLt %s', (storage, cublaslt) => {
    tf.env().set(CUBLASLT_FLAG, cublaslt);
    const random = new Random(11);
    for (const [rows, depth, columns] of sizes) {
      const count = 500;
      const pairs = Array.from({ length: count }, (_, i): [number, number] =>
        // Includes the corner of the last tile.
        i === 0 ? [rows - 1, columns - 1] : [random.integer(0, rows - 1), random.integer(0, columns - 1)],
      );
      const a = randomTensor(random, [rows, depth], storage);
      const elements = randomTensor(random, [depth * columns], storage);
      for (const transposeB of [true, false]) {
        const b = tf.reshape(elements.tensor, transposeB ? [columns, depth] : [depth, columns]);
        const product = tf.matMul(a.tensor, b, false, transposeB);
        const again = tf.matMul(a.tensor, b, false, transposeB);
        const values = product.dataSync<'float32'>();
        expect(bitsOf(again.dataSync<'float32'>()).equals(bitsOf(values))).toBe(true);
        expect(values.every(Number.isFinite)).toBe(true);
        expect(storageOf(product)).toBe(storage);
        const expected = dots(
          { values: a.values, strides: [depth, 1] },
          { values: elements.values, strides: transposeB ? [depth, 1] : [1, columns] },
          depth,
          pairs,
        );
        const actual = pairs.map(([row, column]) => values[row * columns + column]);
        expect(relativeError(actual, expected)).toBeLessThanOrEqual(TOLERANCE[storage] / 2);
        tf.dispose([b, product, again]);
      }
      tf.dispose([a.tensor, elements.tensor]);
    }
  });
});
