import { matMulSuite } from '../../../backend-common/src/testing/suites/matmul.ts';
import { describeOnMetal } from '../testing/metal.ts';

matMulSuite(describeOnMetal);
