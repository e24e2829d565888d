import { scatterSuite } from '../../../backend-common/src/testing/suites/scatter.ts';
import { describeOnCuda } from '../testing/cuda.ts';

scatterSuite(describeOnCuda);
