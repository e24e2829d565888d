// Packs the addon that build.js built on a Mac as @attention-js/backend-metal-darwin-arm64, into the current folder.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const platform = `${process.platform}-${process.arch}`;
if (platform !== 'darwin-arm64') {
  console.error(`run this on a Mac with Apple silicon, not on ${platform}: what is built here is for tests`);
  process.exit(1);
}

const packageFolder = path.dirname(import.meta.dirname);
const { version, license, engines } = JSON.parse(
  readFileSync(path.join(packageFolder, 'package.json'), 'utf8'),
);
const manifest = {
  name: `@attention-js/backend-metal-${platform}`,
  version,
  description: 'The addon of @attention-js/backend-metal for Macs with Apple silicon.',
  license,
  files: ['attention_metal.node'],
  main: 'attention_metal.node',
  os: ['darwin'],
  cpu: ['arm64'],
  engines,
};

const staged = mkdtempSync(path.join(tmpdir(), 'attention-js-platform-'));
try {
  writeFileSync(path.join(staged, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(
    path.join(packageFolder, 'build/attention_metal.node'),
    path.join(staged, 'attention_metal.node'),
  );
  copyFileSync(path.join(packageFolder, 'LICENSE'), path.join(staged, 'LICENSE'));
  execFileSync('npm', ['pack', staged], { stdio: 'inherit' });
} finally {
  rmSync(staged, { recursive: true, force: true });
}
