import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.dirname(path.dirname(import.meta.dirname));

const REQUIRED = ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts'];
const UNWANTED = /\.test\.|(^|\/)(testing|fixtures|node_modules)\/|\.tsbuildinfo$/;

/** What packages hold besides their own folders: paths in the repository, put under the same path. */
const EXTRA = {
  'backend-metal': [
    'kernels/metal',
    'native/metal/addon.cc',
    'native/metal/device.h',
    'native/metal/apple/device.mm',
  ],
};

/** Packages with addons that were built elsewhere. They do not exist before a release, so that no package.json may name them. */
const PLATFORM_PACKAGES = { 'backend-metal': ['@attention-js/backend-metal-darwin-arm64'] };

/** A copy of `packages/NAME` as it is published, in the folder `staged`. */
function stage(name, staged) {
  const folder = path.join(root, 'packages', name);
  const left = ['node_modules', 'build'].map((entry) => path.join(folder, entry));
  cpSync(folder, staged, { recursive: true, filter: (source) => !left.includes(source) });
  for (const extra of EXTRA[name] ?? []) {
    const source = path.join(root, extra);
    if (existsSync(source)) cpSync(source, path.join(staged, extra), { recursive: true });
  }
  const manifestFile = path.join(staged, 'package.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const optional = (PLATFORM_PACKAGES[name] ?? []).map((dependency) => [dependency, manifest.version]);
  if (optional.length > 0) manifest.optionalDependencies = Object.fromEntries(optional);
  writeFileSync(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Packages that the code of the package in `folder` imports and its package.json does not declare. */
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

/** What a package must not lack, must not hold, holds although its source is gone, and imports without saying so. */
function problems(folder, paths) {
  const hasSource = (file) => paths.includes(file.replace(/^dist\/(.*)\.js$/, 'src/$1.ts'));
  const lists = {
    missing: REQUIRED.filter((file) => !paths.includes(file)),
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
    const args = ['pack', '--json', '--pack-destination', path.resolve(destination)];
    const [{ filename, files, size }] = JSON.parse(
      execFileSync('npm', args, { cwd: staged, encoding: 'utf8' }),
    );
    const found = problems(
      staged,
      files.map((file) => file.path),
    );
    if (found.length > 0) {
      throw new Error(
        `packages/${name}: ${found.map(([what, list]) => `${what} ${list.join(', ')}`).join('; ')}`,
      );
    }
    console.log(`${filename}: ${files.length} files, ${Math.ceil(size / 1024)} kB`);
    return filename;
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}
