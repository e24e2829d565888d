import { reshapeAndCacheSuite } from '../../../backend-common/src/testing/suites/reshape_and_cache.ts';
import { describeOnCuda } from '../testing/cuda.ts';

reshapeAndCacheSuite(describeOnCuda);
