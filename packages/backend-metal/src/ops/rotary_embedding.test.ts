import { rotaryEmbeddingSuite } from '../../../backend-common/src/testing/suites/rotary_embedding.ts';
import { describeOnMetal } from '../testing/metal.ts';

rotaryEmbeddingSuite(describeOnMetal);
