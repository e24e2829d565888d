import { STORAGE_TYPES, swapBlocks, zerosWithStorage } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import { randomTensor } from '../../../../core/src/testing/tensors.ts';
import type { DescribeSuite } from '../describe_suite.ts';

export function swapBlocksSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('swapBlocks on a device', () => {
    // Copied in words of 16, 4 or 2 bytes, whichever divides the block; the last is longer than a block of threads copies.
    const cases = STORAGE_TYPES.flatMap((storage) =>
      [1, 2, 3, 8, 5000].map((length) => [length, storage] as const),
    );
    test.each(cases)('copies blocks of %d elements in %s', (length, storage) => {
      const source = randomTensor(new Random(1), [3, length], storage);
      const destination = zerosWithStorage([2, length], storage);
      swapBlocks(source.tensor, destination, Int32Array.of(2, 0, 1, 1));
      const block = (index: number) => source.values.slice(index * length, (index + 1) * length);
      expect([...destination.dataSync()]).toEqual([...block(2), ...block(1)]);
    });
  });
}
