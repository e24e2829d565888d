import { checkValuesSuite } from '../../backend-common/src/testing/suites/check_values.ts';
import { describeOnCuda } from './testing/cuda.ts';

checkValuesSuite(describeOnCuda);
