#!/usr/bin/env node
// Builds the addon into build/attention_metal.node, with nothing but a C++ compiler: on a Mac that of Xcode's command-line
// tools; on Linux clang, and then shaders run on the CPU, which is for tests.
//
//   npm run build:native        in the repository
//   npx -p @attention-js/backend-metal --no-install attention-metal      where the package is installed
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);
const packageFolder = path.dirname(import.meta.dirname);
const onMac = process.platform === 'darwin';

/** The published package has the sources inside; in the repository they lie at its root. */
const native = ['native/metal', '../../native/metal']
  .map((folder) => path.resolve(packageFolder, folder))
  .find((folder) => existsSync(folder));

const implementation = path.join(native, onMac ? 'apple' : '../../emulator/metal');
if (!existsSync(implementation)) {
  console.error(`The addon is for Macs with Apple silicon, not for ${process.platform}-${process.arch}.`);
  process.exit(1);
}
const shared = path.join(native, '../../emulator/common'); // what emulators have in common
const sources = [
  path.join(native, 'addon.cc'),
  ...[implementation, ...(onMac ? [] : [shared])].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => /\.(cc|mm)$/.test(file) && file !== 'run_shader.cc') // which is a program
      .map((file) => path.join(folder, file)),
  ),
];
const common = path.join(native, '../common'); // what addons have in common
const headers = [
  native,
  common,
  implementation,
  ...(onMac ? [] : [path.join(implementation, 'msl'), shared]),
].flatMap((folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.h'))
    .map((file) => path.join(folder, file)),
);

const isSanitized = process.argv.includes('--asan'); // see scripts/fuzz_native/asan.sh
const buildFolder = path.join(packageFolder, isSanitized ? 'build/asan' : 'build');
const addon = path.join(buildFolder, 'attention_metal.node');
const compiler = process.env.CXX ?? 'clang++';
const sanitizer = isSanitized
  ? ['-fsanitize=address', '-shared-libasan', '-fno-omit-frame-pointer', '-g']
  : [];
const compileOptions = [
  ...sanitizer,
  '-std=c++20',
  '-O2',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-DNAPI_VERSION=9',
  '-DNAPI_CPP_EXCEPTIONS',
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS', // those of a worker that is ending
  `-I${path.join(native, '../..')}`,
  `-isystem${require('node-api-headers').include_dir}`,
  `-isystem${require('node-addon-api').include_dir}`,
  ...(onMac
    ? ['-arch', 'arm64', '-mmacosx-version-min=14.0', '-fobjc-arc']
    : ['-DATTENTION_METAL_EMULATOR', `-I${native}`, `-I${shared}`, `-I${implementation}`]),
];
const linkOptions = onMac
  ? ['-arch', 'arm64', '-mmacosx-version-min=14.0', '-bundle', '-undefined', 'dynamic_lookup'].concat([
      '-framework',
      'Metal',
      '-framework',
      'Foundation',
    ])
  : [...sanitizer, '-shared', '-pthread', '-ldl'];

function run(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { stdio: 'inherit' });
    child.on('error', () =>
      reject(
        new Error(`${compiler} not found: ${onMac ? 'xcode-select --install' : 'apt-get install clang'}`),
      ),
    );
    child.on('exit', (status) => (status === 0 ? resolve() : reject(new Error(`${compiler} failed`))));
  });
}

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

async function compile(source) {
  const object = path.join(buildFolder, `${path.basename(source)}.o`);
  const newest = Math.max(...[source, ...headers, import.meta.filename].map(modified));
  if (modified(object) < newest) await run(...compileOptions, '-c', source, '-o', object);
  return object;
}

try {
  mkdirSync(buildFolder, { recursive: true });
  const waiting = [...sources];
  const objects = [];
  const work = async () => {
    for (let source = waiting.shift(); source; source = waiting.shift()) objects.push(await compile(source));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (modified(addon) < Math.max(...objects.map(modified))) {
    await run(...objects, ...linkOptions, '-o', `${addon}.new`);
    renameSync(`${addon}.new`, addon); // another process may have the old one loaded
  }
  console.log(path.relative(process.cwd(), addon));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
