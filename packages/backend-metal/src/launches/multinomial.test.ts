import { multinomialSuite } from '../../../backend-common/src/testing/suites/multinomial.ts';
import { describeOnMetal } from '../testing/metal.ts';

multinomialSuite(describeOnMetal);
