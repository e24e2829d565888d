import { matMulSuite } from '../../../backend-common/src/testing/suites/matmul.ts';
import { describeOnCuda } from '../testing/cuda.ts';

matMulSuite(describeOnCuda);
