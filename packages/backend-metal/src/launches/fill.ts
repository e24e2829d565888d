import type { FillLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, int32, uint32 } from '../params.ts';
import { elementType } from './element_type.ts';

const whole = (value: number): number => (Number.isFinite(value) ? Math.trunc(value) : 0);

export function fill(backend: MetalBackend, { output, size, start, step }: FillLaunch): void {
  backend.dispatch({
    shader: 'fill',
    function: 'fill',
    constants: { output_type: elementType(backend, output) },
    buffers: [output],
    params: [float32(start), float32(step), int32(whole(start)), int32(whole(step)), uint32(size)],
    ...stridedGrid(size, 16),
  });
}
