// Makes the files of a new op (its definition, reference kernel and test) and exports it; or, for an op that exists in
// core, the files of its kernel for CUDA or Metal.
//
//   npm run new-op -- foo_bar
//   npm run new-op -- foo_bar --cuda
//   npm run new-op -- foo_bar --metal
//
// The files compile; the test fails until the kernels and the reference are written. See docs/adding-an-op.md.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as tfjs from '@tensorflow/tfjs-core';

const root = path.dirname(path.dirname(import.meta.dirname));
const coreFile = (stem) => `packages/core/src/ops/${stem}.ts`;

/** The kinds of files to make from the templates in the folder of that name, and the lines to add to an index.ts. */
const PARTS = {
  core: {
    marker: coreFile,
    index: 'packages/core/src/ops/index.ts',
    lines: [
      "export { fooBar, fooBarOp } from './foo_bar.ts';\n",
      "export type { FooBarAttributes, FooBarInputs } from './foo_bar.ts';\n",
    ],
  },
  cuda: {
    marker: (stem) => `packages/backend-cuda/src/ops/${stem}.ts`,
    index: 'packages/backend-cuda/src/ops/index.ts',
    lines: ["import './foo_bar.ts';\n"],
  },
  metal: {
    marker: (stem) => `packages/backend-metal/src/ops/${stem}.ts`,
    index: 'packages/backend-metal/src/ops/index.ts',
    lines: ["import './foo_bar.ts';\n"],
  },
};

function fail(message) {
  console.error(message);
  process.exit(1);
}

const [stem = '', option, ...others] = process.argv.slice(2);
const wrongOption = option !== undefined && option !== '--cuda' && option !== '--metal';
if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(stem) || wrongOption || others.length > 0) {
  fail('usage: npm run new-op -- foo_bar [--cuda | --metal]    (the stem of the op, in snake_case)');
}
const part = option ? option.slice('--'.length) : 'core';
const { marker, index, lines } = PARTS[part];
const exists = (file) => existsSync(path.join(root, file));
if (exists(marker(stem))) fail(`${marker(stem)} exists already`);
if (part !== 'core' && !exists(coreFile(stem))) {
  fail(`core has no ${coreFile(stem)}: npm run new-op -- ${stem}`);
}

const kernelName = stem.replaceAll(/(?:^|_)(.)/g, (_, letter) => letter.toUpperCase());
const functionName = kernelName[0].toLowerCase() + kernelName.slice(1);
if (part === 'core') {
  for (const name of [functionName, `${functionName}Op`]) {
    if (name in tfjs) fail(`tfjs-core exports ${name} already: choose another name`);
  }
}
const named = (text) =>
  text.replaceAll('foo_bar', stem).replaceAll('fooBar', functionName).replaceAll('FooBar', kernelName);

const templates = path.join(import.meta.dirname, part);
const made = readdirSync(templates, { recursive: true })
  .filter((file) => file.endsWith('.txt'))
  .map((template) => {
    const file = named(template.slice(0, -'.txt'.length));
    writeFileSync(path.join(root, file), named(readFileSync(path.join(templates, template), 'utf8')));
    return file;
  });

const statements = readFileSync(path.join(root, index), 'utf8').split(/(?<=;\n)/);
const fileOf = (statement) => /(?:from|import) '(.*)'/.exec(statement)?.[1];
const next = statements.findIndex((statement) => fileOf(statement) > `./${stem}.ts`);
statements.splice(next < 0 ? statements.length : next, 0, ...lines.map(named));
writeFileSync(path.join(root, index), statements.join(''));

const oxfmt = path.join(root, 'node_modules/oxfmt/bin/oxfmt');
const typescript = [...made, index].filter((file) => file.endsWith('.ts'));
execFileSync(process.execPath, [oxfmt, ...typescript], { cwd: root });
for (const file of made) console.log(file);
console.log(`${index} names ${functionName}`);
