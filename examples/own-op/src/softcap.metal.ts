import { metalKernel, paramsTable, shaderKernel } from '@attention-js/backend-metal';
import { softcapOp } from './softcap.ts';

const source = `
#include <metal_stdlib>
using namespace metal;

struct SoftcapParams {
  uint size;
  float cap;
};

template <typename T>
[[kernel]] void softcap(device const T* x [[buffer(0)]], device T* output [[buffer(1)]],
                        constant SoftcapParams& params [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  if (i < params.size) output[i] = T(params.cap * precise::tanh(float(x[i]) / params.cap));
}

#define instantiate_softcap(type)                                     \\
  template [[host_name("softcap_" #type)]] [[kernel]] void softcap<type>( \\
      device const type*, device type*, constant SoftcapParams&, uint);

instantiate_softcap(float)
instantiate_softcap(half)
instantiate_softcap(bfloat)
`;

const THREADS = 256;

const kernel = shaderKernel(
  { shader: 'softcap', function: 'softcap', source },
  ['x', 'output'],
  paramsTable('SoftcapParams', { size: 'uint32', cap: 'float32' }),
);

metalKernel(softcapOp, ({ inputs: { x }, attrs: { cap }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const size = x.shape.reduce((product, length) => product * length, 1);
  backend.run(
    kernel,
    { x, output },
    { size, cap },
    {
      variant: backend.mslType(x),
      threadgroups: [Math.ceil(size / THREADS), 1, 1],
      threads: [THREADS, 1, 1],
    },
  );
  return [output];
});
