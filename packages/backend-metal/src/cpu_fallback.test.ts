import { cpuFallbackSuite } from '../../backend-common/src/testing/suites/cpu_fallback.ts';
import { backendInfo } from './backend_info.ts';
import { describeOnMetal } from './testing/metal.ts';

cpuFallbackSuite(describeOnMetal, backendInfo);
