// Runs every test of the CUDA backend on a machine with an NVIDIA GPU: the op suites and the models on `cuda`, the
// backend's own suites, a long attention fuzz, and tfjs-core's own suite.
//
//   npm run test:gpu
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const suites = ['packages/core', 'packages/backend-common', 'packages/backend-cuda', 'packages/llm'];
const environment = {
  ...process.env,
  ATTENTION_TEST_BACKENDS: 'cuda',
  ATTENTION_FUZZ_CASES: process.env.ATTENTION_FUZZ_CASES ?? '2000',
};

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: environment });
  if (status !== 0) process.exitCode = 1;
}

const jest = path.join(root, 'node_modules/jest/bin/jest.js');
run(
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  jest,
  '--maxWorkers=8', // each worker uses its own GPU memory
  ...process.argv.slice(2),
  ...suites,
);
run(path.join(root, 'scripts/conformance/run.js'), '--backend', 'cuda');
