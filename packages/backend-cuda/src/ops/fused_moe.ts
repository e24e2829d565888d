import { MoeActivation, paramsTable } from '@attention-js/backend-common';
import { fusedMoeOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

/** The launcher of fusedMoe. */
export const fusedMoe = operation(
  'fusedMoe',
  ['x', 'gateUpWeights', 'downWeights', 'topkWeights', 'topkIds', 'output'],
  paramsTable('FusedMoeParams', {
    tokens: 'int32',
    topk: 'int32',
    experts: 'int32',
    hidden: 'int32',
    intermediate: 'int32',
    activation: 'int32',
  }),
  ['gateUpWeights', 'downWeights'],
);

cudaKernel(
  fusedMoeOp,
  ({ inputs, attrs, outputs: [spec], backend }) => {
    const output = backend.makeOutput(spec);
    const [tokens, topk] = inputs.topkIds.shape;
    const [experts, hidden, intermediate] = inputs.downWeights.shape;
    const activation = MoeActivation[attrs.activation];
    backend.run(fusedMoe, { ...inputs, output }, { tokens, topk, experts, hidden, intermediate, activation });
    return [output];
  },
  { takesBlocks: true },
);
