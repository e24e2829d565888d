import { geluAndMul, siluAndMul, STORAGE_TYPES } from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import { randomTensor } from '../../../../core/src/testing/tensors.ts';
import { expectSameAsCpu } from '../expect_same_as_cpu.ts';
import type { DescribeSuite } from '../describe_suite.ts';

const activations: [string, (x: Tensor) => Tensor][] = [
  ['siluAndMul', siluAndMul],
  ['geluAndMul', (x) => geluAndMul(x)],
  ['geluAndMul with tanh', (x) => geluAndMul(x, { approximate: 'tanh' })],
];
const cases = STORAGE_TYPES.flatMap((storage) =>
  activations.map(([name, activate]): [string, StorageType, typeof activate] => [name, storage, activate]),
);

export function gatedActivationsSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('gated activations on a device', () => {
    // 8 elements an access where the width is a multiple of 8; several blocks of threads a row in both cases.
    test.each(cases)('%s agrees with cpu on wide rows in %s', async (_name, storage, activate) => {
      await expectSameAsCpu(() =>
        [2 * 4160, 2 * 701].map((width) =>
          activate(randomTensor(new Random(1), [2, width], storage, 3).tensor),
        ),
      );
    });
  });
}
