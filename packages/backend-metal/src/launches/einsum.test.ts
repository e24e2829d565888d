import { einsumSuite } from '../../../backend-common/src/testing/suites/einsum.ts';
import { describeOnMetal } from '../testing/metal.ts';

einsumSuite(describeOnMetal);
