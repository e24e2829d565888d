import { gatedActivationsSuite } from '../../../backend-common/src/testing/suites/gated_activations.ts';
import { describeOnMetal } from '../testing/metal.ts';

gatedActivationsSuite(describeOnMetal);
