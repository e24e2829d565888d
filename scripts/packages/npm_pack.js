import { execFileSync } from 'node:child_process';
import path from 'node:path';

/**
 * Packs the package in `folder` into `destination`.
 *
 * @returns The file name of the tarball, and the paths in it.
 */
export function npmPack(folder, destination) {
  const args = ['pack', '--json', '--pack-destination', path.resolve(destination)];
  const [{ filename, files, size }] = JSON.parse(
    execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }),
  );
  console.log(`${filename}: ${files.length} files, ${Math.ceil(size / 1024)} kB`);
  return { filename, paths: files.map((file) => file.path) };
}
