// Follows docs/adding-an-op.md in the tree that contains this file: writes each file that the page shows in full, and
// replaces the line that exports types of the same file by the line on the page. check.sh runs it on a copy.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(path.dirname(import.meta.dirname));
const page = readFileSync(path.join(root, 'docs/adding-an-op.md'), 'utf8');
const blocks = [...page.matchAll(/<!-- (file|line): (\S+) -->\n```(?:ts|cpp|metal)\n(.*?)```\n/gs)];
if (blocks.length !== 9) throw new Error(`expected 9 marked blocks, found ${blocks.length}`);
for (const [, kind, name, code] of blocks) {
  const file = path.join(root, name);
  if (kind === 'file') {
    writeFileSync(file, code);
    continue;
  }
  const [end] = /\} from .*\n/.exec(code);
  const lines = readFileSync(file, 'utf8').split(/(?<=\n)/);
  const at = lines.findIndex((line) => line.startsWith('export type') && line.endsWith(end));
  if (at < 0) throw new Error(`${name} has no types${end}`);
  writeFileSync(file, lines.with(at, code).join(''));
}
