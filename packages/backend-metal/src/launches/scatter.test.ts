import { scatterSuite } from '../../../backend-common/src/testing/suites/scatter.ts';
import { describeOnMetal } from '../testing/metal.ts';

scatterSuite(describeOnMetal);
