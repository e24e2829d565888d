import { paramsTable } from '@attention-js/backend-common';
import type { FillLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'fill',
  ['output'],
  paramsTable('FillParams', {
    size: 'int64',
    start: 'float32',
    step: 'float32',
    intStart: 'uint32',
    intStep: 'uint32',
  }),
);

/** The bits of a number after conversion to int32, as an Int32Array converts it. */
const int32Bits = (value: number): number => (Number.isFinite(value) ? value >>> 0 : 0);

export function fill(backend: CudaBackend, { output, size, start, step }: FillLaunch): void {
  backend.run(
    launcher,
    { output },
    { size, start, step, intStart: int32Bits(start), intStep: int32Bits(step) },
  );
}
