import { elementwiseSuite } from '../../../backend-common/src/testing/suites/elementwise.ts';
import { describeOnMetal } from '../testing/metal.ts';

elementwiseSuite(describeOnMetal);
