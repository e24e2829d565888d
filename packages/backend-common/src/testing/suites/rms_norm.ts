import { rmsNorm, STORAGE_TYPES } from '@attention-js/core';
import { test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import { randomTensor } from '../../../../core/src/testing/tensors.ts';
import { expectSameAsCpu } from '../expect_same_as_cpu.ts';
import type { DescribeSuite } from '../describe_suite.ts';

export function rmsNormSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('rmsNorm on a device', () => {
    // One warp to eight of them and more, with 8 elements an access and with one.
    const widths = [8, 512, 1024, 5128, 33, 65, 1001];
    test.each(STORAGE_TYPES)('rows of any width agree with cpu in %s', async (storage) => {
      await expectSameAsCpu(() =>
        widths.flatMap((width) => {
          const random = new Random(width);
          const [x, residual] = [0, 1].map(() => randomTensor(random, [2, width], storage).tensor);
          const weight = randomTensor(random, [width]).tensor;
          return [
            rmsNorm(x, weight, { epsilon: 1e-5 }),
            ...rmsNorm(x, weight, { epsilon: 1e-5, residual, addUnitOffset: true }),
          ];
        }),
      );
    });
  });
}
