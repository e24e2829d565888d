// Does what docs/adding-an-op.md says, in the tree this file is in: writes each file that the page shows whole, and puts
// the line it shows in the place of the last one. For check.sh, which runs it on a copy.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(path.dirname(import.meta.dirname));
const page = readFileSync(path.join(root, 'docs/adding-an-op.md'), 'utf8');
const blocks = [...page.matchAll(/<!-- (file|line): (\S+) -->\n```ts\n(.*?)```\n/gs)];
if (blocks.length !== 4) throw new Error(`expected 4 marked blocks, found ${blocks.length}`);
for (const [, kind, name, code] of blocks) {
  const file = path.join(root, name);
  const before = kind === 'line' ? readFileSync(file, 'utf8').replace(/[^\n]+\n$/, '') : '';
  writeFileSync(file, before + code);
}
