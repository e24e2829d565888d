// Checks the links in the repository's Markdown files: every relative link must lead to a file, and every #anchor to
// one of its headings. Links to other sites are not followed.
//
//   npm run docs:links
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const files = markdownFiles(root).map((file) => path.relative(root, file));

function markdownFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    if (entry.isFile()) return entry.name.endsWith('.md') ? [name] : [];
    return entry.isDirectory() && !/^(\.git|node_modules|dist|api)$/.test(entry.name)
      ? markdownFiles(name)
      : [];
  });
}

const withoutCode = (text) => text.replaceAll(/^(```|~~~).*?^\1/gms, '').replaceAll(/`[^`\n]*`/g, '');

/** The anchors that GitHub generates for a Markdown file's headings. */
function anchors(file) {
  const text = readFileSync(file, 'utf8').replaceAll(/^(```|~~~).*?^\1/gms, '');
  const seen = new Map();
  const slugs = [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-');
    const repeated = seen.get(slug) ?? 0;
    seen.set(slug, repeated + 1);
    return repeated === 0 ? slug : `${slug}-${repeated}`;
  });
  const explicit = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name]) => name);
  return new Set([...slugs, ...explicit]);
}

/** What is wrong with a link in `file`, or `undefined`. */
function problem(file, link) {
  if (/^[a-z][a-z+.-]*:/i.test(link)) return undefined;
  const [target, anchor] = decodeURIComponent(link).split('#');
  const absolute = target === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), target);
  if (path.relative(root, absolute).startsWith('..')) return 'leaves the repository';
  if (!existsSync(absolute)) return 'no such file';
  if (anchor === undefined || statSync(absolute).isDirectory() || !absolute.endsWith('.md')) return undefined;
  return anchors(absolute).has(anchor) ? undefined : 'no such heading';
}

let checked = 0;
let broken = 0;
for (const file of files) {
  const text = withoutCode(readFileSync(path.join(root, file), 'utf8'));
  const inline = text.matchAll(/\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)/g);
  const reference = text.matchAll(/^\[[^\]]+\]: +(\S+)/gm);
  const html = text.matchAll(/(?:href|src)="([^"]+)"/g);
  for (const [, link] of [...inline, ...reference, ...html]) {
    checked++;
    const found = problem(file, link);
    if (!found) continue;
    broken++;
    console.error(`${file}: ${link}: ${found}`);
  }
}
console.log(`${checked} links in ${files.length} files, ${broken} broken`);
process.exit(broken === 0 ? 0 : 1);
