import { swapBlocksSuite } from '../../../backend-common/src/testing/suites/swap_blocks.ts';
import { describeOnCuda } from '../testing/cuda.ts';

swapBlocksSuite(describeOnCuda);
