// Packs every package as npm would publish it, looks at what is in it, installs all of them into an empty project, and
// uses them there: from ESM, from require(), from TypeScript and through a bundler.
//
//   npm run test:packages
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { pack } from './pack.js';
import { builtAddon, packPlatform } from './pack_platform.js';
import { ADDONS } from './platforms.js';

const root = path.dirname(path.dirname(import.meta.dirname));
const project = mkdtempSync(path.join(tmpdir(), 'attention-js-packages-'));

function run(command, ...args) {
  console.log(`- ${path.basename(command)} ${args.join(' ')}`);
  execFileSync(command, args, { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] });
}

const node = (...args) => run(process.execPath, ...args);
const install = (...names) => run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...names);

const compilers = {
  'TypeScript 7': path.join(root, 'node_modules/typescript/bin/tsc'),
  'TypeScript 6': path.join(root, 'docs/node_modules/typescript/bin/tsc6'),
};
const moduleSettings = [
  ['--module', 'nodenext'],
  ['--module', 'esnext', '--moduleResolution', 'bundler'],
];

/** Compiles types.ts; without skipLibCheck too, where the typings of tfjs have faults but ours must have none. */
function checkTypes() {
  for (const [name, compiler] of Object.entries(compilers)) {
    for (const settings of moduleSettings) {
      for (const skipLibCheck of ['true', 'false']) {
        const options = [
          '--noEmit',
          '--strict',
          '--target',
          'es2022',
          '--lib',
          'es2023,dom',
          '--types',
          'node',
        ];
        const args = [compiler, ...options, ...settings, '--skipLibCheck', skipLibCheck, 'types.ts'];
        const { status, stdout } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
        const errors = stdout.split('\n').filter((line) => /error TS/.test(line));
        const ours = errors.filter((line) => /^(types\.ts|node_modules\/@attention-js\/)/.test(line));
        console.log(`- ${name} ${settings.join(' ')} --skipLibCheck ${skipLibCheck}: ${ours.length} errors`);
        if (ours.length > 0) throw new Error(ours.join('\n'));
        if (skipLibCheck === 'true' && status !== 0) throw new Error(stdout);
      }
    }
  }
}

/** Compiles a kernel and the addon's interface from the sources in the installed package: all of them take minutes. */
function checkCudaSources() {
  if (!['clang++', 'cmake', 'ninja'].every((tool) => spawnSync(tool, ['--version']).status === 0)) {
    console.log('- left out, as it takes clang, cmake and ninja: the sources of the CUDA addon');
    return;
  }
  run('npx', '--no', '--', 'attention-cuda', '--emulator', '--configure');
  const installed = path.join(project, 'node_modules/@attention-js/backend-cuda');
  const sources = ['kernels/cuda/norm/rms_norm.cu', 'native/cuda/addon.cc', 'emulator/cuda/grid.cc'];
  const targets = sources.map((source) => `${path.join(installed, source)}^`);
  run('ninja', '-C', path.join(installed, 'build/emulator'), ...targets);
}

/** A bundler drops what has no side effects and is not used; the kernels must stay. */
async function checkBundles() {
  for (const entry of ['bundle_all.mjs', 'bundle_one.mjs']) {
    const outfile = path.join(project, `out_${entry}`);
    await build({
      entryPoints: [path.join(project, entry)],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      mainFields: ['module', 'main'],
      banner: {
        js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
      },
      logLevel: 'error',
    });
    node(outfile);
  }
}

/** Outside of the entry `./node`, backend-common needs nothing of Node: esbuild fails at an import of its modules. */
async function checkBrowserBundle() {
  const outfile = path.join(project, 'out_browser.mjs');
  await build({
    entryPoints: [path.join(project, 'bundle_browser.mjs')],
    outfile,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    logLevel: 'error',
  });
  if (readFileSync(outfile, 'utf8').includes('process.env')) throw new Error('the bundle reads process.env');
}

try {
  const names = readdirSync(path.join(root, 'packages'));
  const withAddon = Object.keys(ADDONS).filter(builtAddon);
  const tarballs = [
    ...names.map((name) => pack(name, project)),
    ...withAddon.map((name) => packPlatform(name, project)),
  ].map((tarball) => `./${tarball}`);
  cpSync(path.join(import.meta.dirname, 'consumer'), project, { recursive: true });
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }\n');

  install(...tarballs);
  node('esm.mjs');
  node('commonjs.cjs');
  node('cuda.mjs', withAddon.includes('backend-cuda') ? 'addon' : 'no-addon');
  checkCudaSources();
  run('npx', '--no', '--', 'attention-llm', '--version');
  await checkBundles();
  await checkBrowserBundle();

  install('@tensorflow/tfjs@4', '@types/node@20');
  node('tfjs.mjs');
  checkTypes();
} finally {
  rmSync(project, { recursive: true, force: true });
}
