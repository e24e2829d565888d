#!/usr/bin/env node
// Builds the addon with cmake-js, which runs CMake and Ninja.
//
//   npm run build:native -w packages/backend-cuda      in the repository
//   npx -p @attention-js/backend-cuda --no-install attention-cuda      where the package is installed
//
//   --architectures 80,90a   what to compile for; by default the GPUs of this machine, 90a where there is none
//   --release                all architectures from sm_75 to sm_120
//   --configure              no more than finding compilers and sources
//   --emulator            kernels as C++ that runs on the CPU, into build/emulator: for tests; needs clang, no CUDA
//   --checked             the same into build/emulator_checked, where ATTENTION_CUDA_CHECKED=1 finds races; several times slower
//   --asan                the same into build/emulator_asan, the addon itself under AddressSanitizer
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import cmakeJs from 'cmake-js';

const RELEASE = ['75-real', '80-real', '86-real', '89-real', '90a-real', '100-real', '120'];
const DEFAULT = ['90a'];

const { BuildSystem } = cmakeJs;
const options = parseOptions();

function parseOptions() {
  try {
    return parseArgs({
      options: {
        architectures: { type: 'string' },
        release: { type: 'boolean', default: false },
        configure: { type: 'boolean', default: false },
        emulator: { type: 'boolean', default: false },
        checked: { type: 'boolean', default: false },
        asan: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(
      `${error.message}\nusage: attention-cuda [--architectures 80,90a | --release | --emulator | --checked | --asan] [--configure]`,
    );
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Compute capabilities of this machine's GPUs, as CMake writes architectures. */
function architecturesOfMachine() {
  const query = spawnSync('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], {
    encoding: 'utf8',
  });
  if (query.status !== 0) return [];
  const capabilities = new Set(query.stdout.split('\n').filter((line) => /^\d+\.\d+$/.test(line)));
  return [...capabilities].map((capability) => (capability === '9.0' ? '90a' : capability.replace('.', '')));
}

function architectures() {
  if (options.release) return RELEASE;
  if (options.architectures) return options.architectures.split(',');
  const found = architecturesOfMachine();
  return found.length > 0 ? found : DEFAULT;
}

function demand(command, fix) {
  if (spawnSync(command, ['--version']).error) fail(`${command} not found: ${fix}`);
}

const emulators = { emulator: 'emulator', checked: 'emulator_checked', asan: 'emulator_asan' };
const variant = Object.entries(emulators).findLast(([option]) => options[option])?.[1] ?? 'cuda';
const isEmulated = variant !== 'cuda';
const clang = process.env.CXX ?? 'clang++';
const nvcc = process.env.CUDACXX ?? ['/usr/local/cuda/bin/nvcc'].find((file) => existsSync(file)) ?? 'nvcc';

demand('cmake', 'apt-get install cmake');
demand('ninja', 'apt-get install ninja-build');
if (isEmulated) demand(clang, 'apt-get install clang');
else demand(nvcc, 'install the CUDA toolkit 13, or say in CUDACXX where its nvcc is');

const packageFolder = path.dirname(import.meta.dirname);
const out = path.join(packageFolder, 'build', variant);
const buildSystem = new BuildSystem({
  directory: packageFolder,
  out,
  generator: 'Ninja',
  parallel: availableParallelism(),
  cppCompilerPath: isEmulated ? clang : undefined,
  cMakeOptions: isEmulated
    ? {
        ATTENTION_EMULATOR: 'ON',
        ATTENTION_EMULATOR_CHECKED: options.checked ? 'ON' : 'OFF',
        ATTENTION_EMULATOR_ASAN: options.asan ? 'ON' : 'OFF',
      }
    : { CMAKE_CUDA_ARCHITECTURES: architectures().join(';'), CMAKE_CUDA_COMPILER: nvcc },
});
try {
  await buildSystem.configure(); // each time: `build` alone would not see that architectures have changed
  if (!options.configure) {
    await buildSystem.build();
    console.log(path.relative(process.cwd(), path.join(out, 'Release/attention_cuda.node')));
  }
} catch {
  process.exit(1); // cmake-js has said why
}
