import { elementwiseSuite } from '../../../backend-common/src/testing/suites/elementwise.ts';
import { describeOnCuda } from '../testing/cuda.ts';

elementwiseSuite(describeOnCuda);
