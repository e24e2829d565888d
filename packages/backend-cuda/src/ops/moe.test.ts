import { moeSuite } from '../../../backend-common/src/testing/suites/moe.ts';
import { describeOnCuda } from '../testing/cuda.ts';

moeSuite(describeOnCuda);
