#!/usr/bin/env node
// Builds the addon with CMake and Ninja.
//
//   npm run build:native -w packages/backend-cuda      in the repository
//   npx attention-cuda                                 where the package is installed
//
//   --architectures 80,90a   what to compile for; by default the GPUs of this machine, 90a where there is none
//   --release                all architectures from sm_75 to sm_120
//   --configure              no more than finding compilers and sources
//   --emulator            kernels as C++ that runs on the CPU, into build/emulator: for tests; needs clang, no CUDA
//   --checked             the same into build/emulator_checked, where ATTENTION_CUDA_CHECKED=1 finds races; several times slower
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const RELEASE = ['75-real', '80-real', '86-real', '89-real', '90a-real', '100-real', '120'];
const DEFAULT = ['90a'];

const options = parseOptions();
const require = createRequire(import.meta.url);
const packageFolder = path.dirname(import.meta.dirname);

function parseOptions() {
  try {
    return parseArgs({
      options: {
        architectures: { type: 'string' },
        release: { type: 'boolean', default: false },
        configure: { type: 'boolean', default: false },
        emulator: { type: 'boolean', default: false },
        checked: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(
      `${error.message}\nusage: attention-cuda [--architectures 80,90a | --release | --emulator | --checked] [--configure]`,
    );
  }
}

/** The published package has the sources inside; in the repository they lie at its root. */
function sources(name) {
  const found = [name, path.join('../..', name)]
    .map((folder) => path.resolve(packageFolder, folder))
    .find((folder) => existsSync(folder));
  if (!found) fail(`expected the folder ${name} in the package, found none`);
  return found;
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

function cmake(...args) {
  const { status } = spawnSync('cmake', args, { stdio: 'inherit' });
  if (status !== 0) fail('cmake failed');
}

const isEmulated = options.emulator || options.checked;
const variant = options.checked ? 'emulator_checked' : isEmulated ? 'emulator' : 'cuda';
const buildFolder = path.join(packageFolder, 'build', variant);
const nodeIncludes = [
  require('node-api-headers').include_dir,
  path.dirname(require.resolve('node-addon-api/package.json')),
];
const clang = process.env.CXX ?? 'clang++';
const nvcc = process.env.CUDACXX ?? ['/usr/local/cuda/bin/nvcc'].find((file) => existsSync(file)) ?? 'nvcc';

demand('cmake', 'apt-get install cmake');
demand('ninja', 'apt-get install ninja-build');
if (isEmulated) demand(clang, 'apt-get install clang');
else demand(nvcc, 'install the CUDA toolkit 13, or say in CUDACXX where its nvcc is');

const compilers = isEmulated
  ? [`-DCMAKE_CXX_COMPILER=${clang}`]
  : [`-DCMAKE_CUDA_ARCHITECTURES=${architectures().join(';')}`, `-DCMAKE_CUDA_COMPILER=${nvcc}`];
cmake(
  '-S',
  sources('native/cuda'),
  '-B',
  buildFolder,
  '-G',
  'Ninja',
  `-DNODE_API_INCLUDE=${nodeIncludes.join(';')}`,
  `-DATTENTION_EMULATOR=${isEmulated ? 'ON' : 'OFF'}`,
  `-DATTENTION_EMULATOR_CHECKED=${options.checked ? 'ON' : 'OFF'}`,
  ...compilers,
);
if (!options.configure) {
  cmake('--build', buildFolder, '--parallel', String(availableParallelism()));
  console.log(path.relative(process.cwd(), path.join(buildFolder, 'attention_cuda.node')));
}
