import { hostFallbackSuite } from '../../backend-common/src/testing/suites/host_fallback.ts';
import { backendInfo } from './backend_info.ts';
import { describeOnMetal } from './testing/metal.ts';

hostFallbackSuite(describeOnMetal, backendInfo);
