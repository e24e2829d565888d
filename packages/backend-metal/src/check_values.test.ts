import { checkValuesSuite } from '../../backend-common/src/testing/suites/check_values.ts';
import { describeOnMetal } from './testing/metal.ts';

checkValuesSuite(describeOnMetal);
