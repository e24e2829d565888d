import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';

// tfjs-core's suites read this while loading, so it must be imported before them.
const name = CONFORMANCE_BACKEND; // defined by esbuild
setTestEnvs([{ name, backendName: name, isDataSync: true }]);
