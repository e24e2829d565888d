import { dataSuite } from '../../backend-common/src/testing/suites/data.ts';
import { describeOnMetal } from './testing/metal.ts';

dataSuite(describeOnMetal);
