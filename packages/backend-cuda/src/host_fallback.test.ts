import { hostFallbackSuite } from '../../backend-common/src/testing/suites/host_fallback.ts';
import { describeOnCuda } from './testing/cuda.ts';

const backendInfo = { name: 'cuda', kernelTerm: 'CUDA kernel', fallbackFlag: 'CUDA_HOST_FALLBACK' };

hostFallbackSuite(describeOnCuda, backendInfo);
