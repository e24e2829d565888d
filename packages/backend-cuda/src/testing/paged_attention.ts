import { pagedAttentionWithLse } from '@attention-js/core';
import { expect } from '@jest/globals';
import type { OracleOptions } from '../../../core/src/testing/attention_oracle.ts';
import { expectMatches, relativeError } from '../../../core/src/testing/compare.ts';
import { oracleOf } from '../../../core/src/testing/paged_case.ts';
import type { PagedCase } from '../../../core/src/testing/paged_case.ts';

const LSE_TOLERANCE = { float32: 1e-6, float16: 1e-5, bfloat16: 1e-5 };

/** Expects output and log-sum-exp of a case to match the oracle. */
export function expectAgreesWithOracle(paged: PagedCase, options: OracleOptions = {}): void {
  const { query, keyCache, valueCache, metadata, spec } = paged;
  const { storage = 'float32' } = spec;
  const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, metadata, options);
  const reference = oracleOf(paged, options);
  expectMatches(output, reference.output, query.shape, storage);
  expect(
    relativeError(
      lse.dataSync().map((value) => value + 100),
      reference.lse.map((value) => value + 100),
    ),
  ).toBeLessThanOrEqual(LSE_TOLERANCE[storage]);
}
