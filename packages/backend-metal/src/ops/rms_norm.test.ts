import { rmsNormSuite } from '../../../backend-common/src/testing/suites/rms_norm.ts';
import { describeOnMetal } from '../testing/metal.ts';

rmsNormSuite(describeOnMetal);
