// Runs the programs in the README, as they stand there: each JavaScript block after a line <!-- example: NAME -->.
// The folder of a model that they name is the shipped model's.
//
//   npm run docs:examples
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const folder = path.join(root, 'node_modules/.cache/attention-js/readme');
const model = path.join(root, 'packages/llm/model');

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/<!-- example: (\S+) -->\n```js\n(.*?)```/gs)];
if (examples.length === 0) throw new Error('README.md has no <!-- example: NAME -->');

mkdirSync(folder, { recursive: true });
for (const [, name, code] of examples) {
  console.log(`\n${name}`);
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(file, code.replaceAll('path/to/a/hugging-face/folder', model));
  const { status } = spawnSync(process.execPath, [file], { stdio: 'inherit', timeout: 300_000 });
  if (status !== 0) process.exitCode = 1;
}
