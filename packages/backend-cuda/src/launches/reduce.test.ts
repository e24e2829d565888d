import { reduceSuite } from '../../../backend-common/src/testing/suites/reduce.ts';
import { describeOnCuda } from '../testing/cuda.ts';

reduceSuite(describeOnCuda);
