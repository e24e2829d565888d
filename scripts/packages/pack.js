// Packs packages as npm would publish them into the current folder. A plain `npm pack` would miss what lies elsewhere
// in the repository: the kernels, and the addons' sources.
//
//   node scripts/packages/pack.js core backend-common backend-cuda
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { npmPack } from './npm_pack.js';
import { platformPackages } from './platforms.js';
import { repositoryFields } from './repository.js';

const root = path.dirname(path.dirname(import.meta.dirname));

const REQUIRED = ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts'];
const UNWANTED = /\.test\.|(^|\/)(testing|fixtures|node_modules)\/|\.tsbuildinfo$/;

/** Files and folders of the repository that packages contain besides their own, under the same paths. */
const EXTRA = {
  'backend-cuda': [
    'kernels/cuda',
    'native/common',
    'native/cuda',
    'emulator/common',
    'emulator/cuda',
    ':!emulator/cuda/tests',
  ],
  'backend-metal': [
    'kernels/metal',
    'native/common',
    'native/metal/addon.cc',
    'native/metal/device.h',
    'native/metal/apple/device.mm',
  ],
};

/** A package's files of {@link EXTRA}. */
function extraFiles(name) {
  const paths = EXTRA[name] ?? [];
  if (paths.length === 0) return [];
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...paths];
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim().split('\n');
}

/** Copies `packages/NAME` to the folder `staged` in the form that is published. */
function stage(name, staged) {
  const folder = path.join(root, 'packages', name);
  const left = ['node_modules', 'build'].map((entry) => path.join(folder, entry));
  cpSync(folder, staged, { recursive: true, filter: (source) => !left.includes(source) });
  for (const file of extraFiles(name)) cpSync(path.join(root, file), path.join(staged, file));
  const manifestFile = path.join(staged, 'package.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  Object.assign(manifest, repositoryFields(`packages/${name}`));
  const optional = platformPackages(name).map((dependency) => [dependency, manifest.version]);
  if (optional.length > 0) manifest.optionalDependencies = Object.fromEntries(optional);
  writeFileSync(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The packages that the package in `folder` imports without declaring them in its package.json. */
function undeclared(folder, paths) {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const imported = paths
    .filter((file) => /^dist\/.*\.js$/.test(file))
    .flatMap((file) => [
      ...readFileSync(path.join(folder, file), 'utf8').matchAll(
        /(?:^import |^(?:import|export) .*from |\bimport\()'([^'.][^']*)'/gm,
      ),
    ])
    .map(([, specifier]) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)[0]);
  return [...new Set(imported)].filter((name) => !name.startsWith('node:') && !declared.includes(name));
}

/**
 * Files that a package lacks, must not contain, or contains although their source is gone, and its undeclared imports.
 */
function problems(folder, paths, extra) {
  const hasSource = (file) => paths.includes(file.replace(/^dist\/(.*)\.js$/, 'src/$1.ts'));
  const lists = {
    missing: [...REQUIRED, ...extra].filter((file) => !paths.includes(file)),
    unwanted: paths.filter((file) => UNWANTED.test(file)),
    undeclared: undeclared(folder, paths),
    stale: paths.filter((file) => /^dist\/.*\.js$/.test(file) && !hasSource(file)),
  };
  return Object.entries(lists).filter(([, files]) => files.length > 0);
}

/**
 * Packs `packages/NAME` as npm would publish it into `destination`.
 *
 * @returns The file name of the tarball.
 */
export function pack(name, destination) {
  const staged = mkdtempSync(path.join(tmpdir(), `attention-js-${name}-`));
  try {
    stage(name, staged);
    const { filename, paths } = npmPack(staged, destination);
    const found = problems(staged, paths, extraFiles(name));
    if (found.length > 0) {
      throw new Error(
        `packages/${name}: ${found.map(([what, list]) => `${what} ${list.join(', ')}`).join('; ')}`,
      );
    }
    return filename;
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    for (const name of process.argv.slice(2)) pack(name, '.');
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
