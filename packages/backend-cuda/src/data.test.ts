import { dataSuite } from '../../backend-common/src/testing/suites/data.ts';
import { describeOnCuda } from './testing/cuda.ts';

dataSuite(describeOnCuda);
