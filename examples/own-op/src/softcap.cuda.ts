import { readFileSync } from 'node:fs';
import { cudaKernel, float32, uint32 } from '@attention-js/backend-cuda';
import type { CudaBackend, CudaModule } from '@attention-js/backend-cuda';
import { softcapOp } from './softcap.ts';

const ptx = new URL('../src/softcap.ptx', import.meta.url); // made of softcap.cu
const THREADS = 256;

const modules = new WeakMap<CudaBackend, CudaModule>();

/** The compiled kernels, loaded when they are first used on a GPU. */
function moduleOn(backend: CudaBackend): CudaModule {
  let loaded = modules.get(backend);
  if (!loaded) {
    loaded = backend.loadModule(readFileSync(ptx));
    modules.set(backend, loaded);
  }
  return loaded;
}

cudaKernel(softcapOp, ({ inputs: { x }, attrs: { cap }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const size = x.shape.reduce((product, length) => product * length, 1);
  moduleOn(backend).launch(`softcap_${spec.storage}`, {
    grid: Math.ceil(size / THREADS),
    block: THREADS,
    args: [x, output, uint32(size), float32(cap)],
  });
  return [output];
});
