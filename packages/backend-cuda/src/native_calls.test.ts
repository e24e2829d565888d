import { testNativeCalls } from '../../backend-common/src/testing/native_calls.ts';
import { describeOnCuda } from './testing/cuda.ts';

describeOnCuda('native calls', () => testNativeCalls('cuda'));
