import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';

// tfjs-core's suites read this when they load, so it comes before them.
const name = CONFORMANCE_BACKEND; // esbuild puts the name in
setTestEnvs([{ name, backendName: name, isDataSync: true }]);
