import { einsumSuite } from '../../../backend-common/src/testing/suites/einsum.ts';
import { describeOnCuda } from '../testing/cuda.ts';

einsumSuite(describeOnCuda);
