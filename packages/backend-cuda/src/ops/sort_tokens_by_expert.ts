import { paramsTable } from '@attention-js/backend-common';
import { sortTokensByExpertOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const sortTokensByExpert = operation(
  'sortTokensByExpert',
  ['ids', 'sortedTokenIds', 'expertIds'],
  paramsTable('SortTokensByExpertParams', { pairs: 'int32', experts: 'int32' }),
);

cudaKernel(sortTokensByExpertOp, ({ inputs: { ids }, attrs: { numExperts }, outputs, backend }) => {
  const [sortedTokenIds, expertIds] = outputs.map((spec) => backend.makeOutput(spec));
  const [pairs] = sortedTokenIds.shape;
  backend.run(sortTokensByExpert, { ids, sortedTokenIds, expertIds }, { pairs, experts: numExperts });
  return [sortedTokenIds, expertIds];
});
