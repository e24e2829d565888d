import { moeSuite } from '../../../backend-common/src/testing/suites/moe.ts';
import { describeOnMetal } from '../testing/metal.ts';

moeSuite(describeOnMetal);
