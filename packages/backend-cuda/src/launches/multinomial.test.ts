import { multinomialSuite } from '../../../backend-common/src/testing/suites/multinomial.ts';
import { describeOnCuda } from '../testing/cuda.ts';

multinomialSuite(describeOnCuda);
