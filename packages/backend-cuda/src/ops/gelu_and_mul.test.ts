import { gatedActivationsSuite } from '../../../backend-common/src/testing/suites/gated_activations.ts';
import { describeOnCuda } from '../testing/cuda.ts';

gatedActivationsSuite(describeOnCuda);
