import { rmsNormSuite } from '../../../backend-common/src/testing/suites/rms_norm.ts';
import { describeOnCuda } from '../testing/cuda.ts';

rmsNormSuite(describeOnCuda);
