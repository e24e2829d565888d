// Builds the addons that this machine has the tools for: the Metal backend's (on Linux, with shaders on the CPU), the
// CUDA backend's with kernels on the CPU, for tests, and with the CUDA toolkit also the one for NVIDIA GPUs.
//
//   npm run build:native
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const onMac = process.platform === 'darwin';
const hasNvcc = existsSync('/usr/local/cuda/bin/nvcc') || spawnSync('nvcc', ['--version']).status === 0;

const builds = [
  { script: 'packages/backend-metal/scripts/build.js', args: [], isPossible: true },
  { script: 'packages/backend-cuda/scripts/build.js', args: ['--emulator'], isPossible: !onMac },
  {
    script: 'packages/backend-cuda/scripts/build.js',
    args: [],
    isPossible: hasNvcc,
    instead: 'Skipped: the CUDA addon for NVIDIA GPUs, which needs the CUDA toolkit 13 (nvcc)',
  },
];

for (const { script, args, isPossible, instead } of builds) {
  if (!isPossible) {
    if (instead) console.warn(instead);
    continue;
  }
  const { status } = spawnSync(process.execPath, [path.join(root, script), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
