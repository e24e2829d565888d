import { sampleTokensSuite } from '../../../backend-common/src/testing/suites/sample_tokens.ts';
import { describeOnCuda } from '../testing/cuda.ts';

sampleTokensSuite(describeOnCuda);
