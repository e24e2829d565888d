import { sampleTokensSuite } from '../../../backend-common/src/testing/suites/sample_tokens.ts';
import { describeOnMetal } from '../testing/metal.ts';

sampleTokensSuite(describeOnMetal);
