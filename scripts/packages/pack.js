import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(path.dirname(import.meta.dirname));

const REQUIRED = ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts'];
const UNWANTED = /\.test\.|(^|\/)(testing|fixtures|node_modules)\/|\.tsbuildinfo$/;

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
  const cwd = path.join(root, 'packages', name);
  const args = ['pack', '--json', '--pack-destination', destination];
  const [{ filename, files, size }] = JSON.parse(execFileSync('npm', args, { cwd, encoding: 'utf8' }));
  const found = problems(
    cwd,
    files.map((file) => file.path),
  );
  if (found.length > 0) {
    throw new Error(
      `packages/${name}: ${found.map(([what, list]) => `${what} ${list.join(', ')}`).join('; ')}`,
    );
  }
  console.log(`${filename}: ${files.length} files, ${Math.ceil(size / 1024)} kB`);
  return filename;
}
