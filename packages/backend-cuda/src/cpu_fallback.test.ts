import { cpuFallbackSuite } from '../../backend-common/src/testing/suites/cpu_fallback.ts';
import { describeOnCuda } from './testing/cuda.ts';

const backendInfo = { name: 'cuda', kernelTerm: 'CUDA kernel', fallbackFlag: 'CUDA_CPU_FALLBACK' };

cpuFallbackSuite(describeOnCuda, backendInfo);
