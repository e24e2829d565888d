import { rotaryEmbeddingSuite } from '../../../backend-common/src/testing/suites/rotary_embedding.ts';
import { describeOnCuda } from '../testing/cuda.ts';

rotaryEmbeddingSuite(describeOnCuda);
