import { reduceSuite } from '../../../backend-common/src/testing/suites/reduce.ts';
import { describeOnMetal } from '../testing/metal.ts';

reduceSuite(describeOnMetal);
