// Runs the READMEs' example programs unchanged: each JavaScript block after a line <!-- example: NAME -->, with the
// shipped model in place of the example model folder. TypeScript first checks them, as strictly as is possible without
// type annotations.
//
//   npm run docs:examples
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const folder = path.join(root, 'node_modules/.cache/attention-js/readme');
const model = path.join(root, 'packages/llm/model');

const tsc = path.join(root, 'node_modules/typescript/bin/tsc');

const readmes = ['README.md', 'packages/core/README.md', 'packages/llm/README.md'];
const examples = readmes.flatMap((readme) => {
  const text = readFileSync(path.join(root, readme), 'utf8');
  return [...text.matchAll(/<!-- example: (\S+) -->\n```js\n(.*?)```/gs)];
});
if (examples.length === 0) throw new Error(`no <!-- example: NAME --> in ${readmes.join(', ')}`);

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: folder, stdio: 'inherit', timeout: 300_000 });
  if (status !== 0) process.exitCode = 1;
}

mkdirSync(folder, { recursive: true });
const files = examples.map(([, name, code]) => {
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(file, code.replaceAll('path/to/a/hugging-face/folder', model));
  return file;
});
const strict = [
  '--noEmit',
  '--ignoreConfig',
  '--allowJs',
  '--checkJs',
  '--strict',
  '--noImplicitAny',
  'false',
];
run(tsc, ...strict, '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck', ...files);
for (const file of files) {
  console.log(`\n${path.basename(file)}`);
  run(file);
}
