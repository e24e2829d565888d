import { swapBlocksSuite } from '../../../backend-common/src/testing/suites/swap_blocks.ts';
import { describeOnMetal } from '../testing/metal.ts';

swapBlocksSuite(describeOnMetal);
