import { paramsTable } from '@attention-js/backend-common';
import { mergeAttentionStatesOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const mergeAttentionStates = operation(
  'mergeAttentionStates',
  ['outputs', 'lses', 'sinks?', 'output', 'lse'],
  paramsTable('MergeAttentionStatesParams', {
    parts: 'int32',
    rows: 'int64',
    heads: 'int32',
    headSize: 'int32',
  }),
);

cudaKernel(mergeAttentionStatesOp, ({ inputs, outputs: specs, backend }) => {
  const [output, lse] = specs.map((spec) => backend.makeOutput(spec));
  const [parts, tokens, heads, headSize] = inputs.outputs.shape;
  backend.run(
    mergeAttentionStates,
    { ...inputs, sinks: undefined, output, lse }, // each part already includes its own
    { parts, rows: tokens * heads, heads, headSize },
  );
  return [output, lse];
});
