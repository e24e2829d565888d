import { copySuite } from '../../../backend-common/src/testing/suites/copy.ts';
import { describeOnMetal } from '../testing/metal.ts';

copySuite(describeOnMetal);
