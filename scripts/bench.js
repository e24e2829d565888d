// Runs the benchmarks in bench/ (with --gpu, those in bench/gpu) on the built packages: all of them, or the named ones.
//
//   npm run bench [-- NAME …]
//   npm run bench:gpu [-- NAME …]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values: options, positionals: requested } = parseArgs({
  options: { gpu: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const root = path.dirname(import.meta.dirname);
const folder = options.gpu ? 'bench/gpu' : 'bench';
const outdir = path.join(root, 'node_modules/.cache/attention-js', folder);

const available = readdirSync(path.join(root, folder))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => path.basename(file, '.ts'));
const unknown = requested.filter((name) => !available.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(', ')}. There are: ${available.join(', ')}`);
  process.exit(1);
}

const names = requested.length > 0 ? requested : available;
await build({
  entryPoints: names.map((name) => path.join(root, folder, `${name}.ts`)),
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'error',
});
for (const name of names) {
  console.log(`\n${name}`);
  const { status } = spawnSync(process.execPath, [path.join(outdir, `${name}.mjs`)], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
