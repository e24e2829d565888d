import { reshapeAndCacheSuite } from '../../../backend-common/src/testing/suites/reshape_and_cache.ts';
import { describeOnMetal } from '../testing/metal.ts';

reshapeAndCacheSuite(describeOnMetal);
