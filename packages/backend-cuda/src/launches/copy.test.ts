import { copySuite } from '../../../backend-common/src/testing/suites/copy.ts';
import { describeOnCuda } from '../testing/cuda.ts';

copySuite(describeOnCuda);
