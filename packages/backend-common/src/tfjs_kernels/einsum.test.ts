import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, normal } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

const lengths: Record<string, number> = { b: 3, h: 2, i: 4, j: 5, k: 6, q: 7, d: 8 };

const equations = [
  // One tensor: transposed, summed, unchanged.
  'ij->ji',
  'bij->ib',
  'ij->',
  'ij->ij',
  // Matrix products in all layouts.
  'ij,jk->ik',
  'ji,jk->ik',
  'ij,kj->ik',
  'ij,jk->ki',
  'bij,bjk->bik',
  'bij,jk->bik',
  'bhqd,bkhd->bhqk',
  'bhqk,bkhd->bqhd',
  'ijk,jki->',
  'i,i->',
  'bi,bi->b',
  // Elementwise products.
  'ij,ij->ij',
  'i,j->ji',
  'b,ibj->ibj',
  'ijk,jb->ib',
];

/** Compares einsum with that of `cpu`. */
describeOnDevices('sums of products', () => {
  test('a summed axis that only one tensor has', () => {
    // tfjs's `cpu` kernel gives wrong results if such an axis comes before the last, so the references are computed
    // here.
    const a = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const product = tf.einsum('ij,k->ik', a, tf.tensor1d([1, 10, 100]));
    expect(product.arraySync()).toEqual([
      [3, 30, 300],
      [7, 70, 700],
    ]);
  });

  describe.each(STORAGES)('%s', (storage) => {
    test.each(equations)('%s', async (equation) => {
      const terms = equation.split('->')[0].split(',');
      const inputs = terms.map((term) =>
        normal(
          Array.from(term, (letter) => lengths[letter]),
          storage,
          0.3,
        ),
      );
      const bound = storage === 'bfloat16' ? 2e-2 : undefined; // intermediate sums are rounded
      await expectAsOnCpu(inputs, (...tensors) => tf.einsum(equation, ...tensors), { storage, bound });
    });
  });
});
