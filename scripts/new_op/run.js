// Makes the files of a new op: its definition, its reference kernel and its test, and exports it.
//
//   npm run new-op -- foo_bar
//
// They compile; the test fails until kernel and reference are written. See docs/adding-an-op.md.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as tfjs from '@tensorflow/tfjs-core';

const root = path.dirname(path.dirname(import.meta.dirname));
const ops = path.join(root, 'packages/core/src/ops');

function fail(message) {
  console.error(message);
  process.exit(1);
}

const [stem = '', ...others] = process.argv.slice(2);
if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(stem) || others.length > 0) {
  fail('usage: npm run new-op -- foo_bar    (the stem of the op, in snake_case)');
}
if (existsSync(path.join(ops, `${stem}.ts`))) fail(`packages/core/src/ops/${stem}.ts exists already`);

const kernelName = stem.replaceAll(/(?:^|_)(.)/g, (_, letter) => letter.toUpperCase());
const functionName = kernelName[0].toLowerCase() + kernelName.slice(1);
for (const name of [functionName, `${functionName}Op`]) {
  if (name in tfjs) fail(`tfjs-core exports ${name} already: choose another name`);
}
const named = (text) =>
  text.replaceAll('foo_bar', stem).replaceAll('fooBar', functionName).replaceAll('FooBar', kernelName);

const templates = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt'));
const made = templates.map((template) => {
  const file = path.join(ops, named(template.slice(0, -'.txt'.length)));
  writeFileSync(file, named(readFileSync(path.join(import.meta.dirname, template), 'utf8')));
  return file;
});
const index = path.join(ops, 'index.ts');
const statements = readFileSync(index, 'utf8').split(/(?<=;\n)/);
const fileOf = (statement) => /from '(.*)'/.exec(statement)?.[1];
const next = statements.findIndex((statement) => fileOf(statement) > `./${stem}.ts`);
statements.splice(
  next < 0 ? statements.length : next,
  0,
  named("export { fooBar, fooBarOp } from './foo_bar.ts';\n"),
  named("export type { FooBarAttributes, FooBarInputs } from './foo_bar.ts';\n"),
);
writeFileSync(index, statements.join(''));

const oxfmt = path.join(root, 'node_modules/oxfmt/bin/oxfmt');
execFileSync(process.execPath, [oxfmt, ...made, index], { cwd: root });
for (const file of made) console.log(path.relative(root, file));
console.log(`${path.relative(root, index)} exports ${functionName}`);
