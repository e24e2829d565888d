// Packs the addon that was built on this machine as a platform package, @attention-js/BACKEND-PLATFORM, into the
// current folder. See docs/releasing.md.
//
//   node scripts/packages/pack_platform.js backend-cuda
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { npmPack } from './npm_pack.js';
import { ADDONS, platformPackage } from './platforms.js';
import { repositoryFields } from './repository.js';

const root = path.dirname(path.dirname(import.meta.dirname));
const thisPlatform = `${process.platform}-${process.arch}`;

/**
 * The path of the addon of `packages/BACKEND` for this machine, if it has been built. On platforms without a platform
 * package, the built addon is only for tests, so there is none.
 */
export function builtAddon(backend) {
  const { file, platforms } = ADDONS[backend];
  const addon = path.join(root, 'packages', backend, file);
  return thisPlatform in platforms && existsSync(addon) ? addon : undefined;
}

/**
 * Packs the addon of `packages/BACKEND` into `destination`.
 *
 * @returns The file name of the tarball.
 */
export function packPlatform(backend, destination) {
  const addon = builtAddon(backend);
  const { devices, notice, platforms } = ADDONS[backend];
  if (!addon) {
    const names = Object.keys(platforms).join(' or ');
    throw new Error(
      `expected an addon of ${backend} that was built on ${names}, found none on ${thisPlatform}`,
    );
  }
  const folder = path.join(root, 'packages', backend);
  const { version, license, engines } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = path.basename(addon);
  const manifest = {
    name: platformPackage(backend, thisPlatform),
    version,
    description: `The addon of @attention-js/${backend} for ${devices}, on ${thisPlatform}.`,
    license,
    ...repositoryFields(`packages/${backend}`),
    files: [file, ...(notice ? ['NOTICE'] : [])],
    main: file,
    ...platforms[thisPlatform],
    engines,
  };
  const staged = mkdtempSync(path.join(tmpdir(), 'attention-js-platform-'));
  try {
    writeFileSync(path.join(staged, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    copyFileSync(addon, path.join(staged, file));
    copyFileSync(path.join(folder, 'LICENSE'), path.join(staged, 'LICENSE'));
    if (notice) copyFileSync(path.join(root, notice), path.join(staged, 'NOTICE'));
    return npmPack(staged, destination).filename;
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const [backend] = process.argv.slice(2);
  try {
    if (!(backend in ADDONS))
      throw new Error(`expected ${Object.keys(ADDONS).join(' or ')}, received ${backend}`);
    packPlatform(backend, '.');
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
