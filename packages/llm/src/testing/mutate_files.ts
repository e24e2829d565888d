/** Pseudorandom numbers in [0, 1) from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Files = Record<string, string | Uint8Array>;

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  7,
  2 ** 18,
  2 ** 25,
  2 ** 31,
  2 ** 53,
  1e39,
  1e308,
  -1e308,
  '',
  'x',
  '-1',
  '__proto__',
  '\uD800',
  'x'.repeat(100_000),
  '(a+)+$',
  '<s>',
  '{{ 1 / 0 }}',
  '{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}',
  [],
  [[]],
  [null],
  [1, 2],
  ['<s>', 3],
  Array(1000).fill('y'),
  {},
  { content: 5 },
  { content: '<s>', lstrip: 'yes' },
  { type: 'Sequence' },
  { type: 'Split', pattern: { Regex: '(a|a)*b' } },
  { type: 'Replace', pattern: { String: '' }, content: 'z'.repeat(100_000) },
  { type: 'TemplateProcessing', single: [] },
  { type: 'BPE', vocab: {}, merges: [['a']] },
  { rope_type: 'yarn', factor: 4 },
  { default: '{% if %}' },
];

const HOSTILE_FILES: readonly string[] = [
  '',
  'null',
  '[]',
  '{}',
  '{',
  '"x"',
  '['.repeat(3_000_000),
  '{"a":'.repeat(100_000),
  ' '.repeat(1_000_000),
  '\0'.repeat(1000),
  'version https://git-lfs.github.com/spec/v1\nsize 9\n',
];

const HOSTILE_TEMPLATES: readonly string[] = [
  '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}',
  '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  "{{ 'x' * 999999999 }}",
  '{{ missing.attribute }}',
  '{% endif %}',
  '{{ messages[9].content }}',
  '{{ 1 // 0 }}',
  '\r\n\u2028',
  '{{ ' + '('.repeat(50_000),
];

/** Changes one or a few of the files in a way that likely makes them invalid. `what` describes the changes. */
export function mutateFiles(files: Files, seed: number): { files: Files; what: string } {
  const random = randomNumbers(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  const changed: Files = { ...files };
  const what: string[] = [];
  for (let count = random() < 0.7 ? 1 : 3; count > 0; count--) {
    const name = pick(Object.keys(changed));
    const [content, how] = mutate(changed[name], name, random, pick);
    what.push(`${name}: ${how}`);
    if (content === undefined) delete changed[name];
    else changed[name] = content;
  }
  return { files: changed, what: what.join('; ') };
}

function mutate(
  content: string | Uint8Array,
  name: string,
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
): [content: string | Uint8Array | undefined, how: string] {
  const choice = random();
  if (choice < 0.03) return [undefined, 'removed'];
  if (choice < 0.1) {
    const file = pick(HOSTILE_FILES);
    return [file, `replaced by ${JSON.stringify(file.slice(0, 20))}`];
  }
  if (name.endsWith('.safetensors')) return mutateBytes(Buffer.from(content), random);
  if (choice < 0.2) {
    const [bytes, how] = mutateBytes(Buffer.from(content), random);
    return [bytes, how];
  }
  return mutateJson(content as string, random, pick);
}

function mutateBytes(bytes: Buffer, random: () => number): [Buffer, string] {
  const headerBytes = Math.min(bytes.length, 2000);
  const position = Math.floor(random() * headerBytes);
  const choice = random();
  if (choice < 0.2) return [bytes.subarray(0, position), `cut after ${position} bytes`];
  if (choice < 0.3) return [Buffer.concat([bytes, Buffer.alloc(position)]), `${position} bytes longer`];
  const changed = Buffer.from(bytes);
  const value =
    choice < 0.6 ? '0123456789[]{}",:'.charCodeAt(Math.floor(random() * 17)) : Math.floor(random() * 256);
  changed[position] = value;
  return [changed, `byte ${position} is ${value}`];
}

function mutateJson(
  text: string,
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
): [string, string] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return [text.slice(1), 'cut at the beginning'];
  }
  const path: string[] = [];
  let parent = json as Record<string, unknown>;
  let key = '';
  for (let value: unknown = json; typeof value === 'object' && value !== null; value = parent[key]) {
    const keys = Object.keys(value);
    if (keys.length === 0 || (path.length > 0 && random() < 0.35)) break;
    parent = value as Record<string, unknown>;
    key = pick(keys);
    path.push(key);
  }
  if (path.length === 0) return ['7', 'replaced by 7'];
  const where = path.join('.').slice(0, 80);
  if (random() < 0.15) {
    delete parent[key];
    return [JSON.stringify(json), `without ${where}`];
  }
  const isTemplate = key === 'chat_template' && random() < 0.7;
  const value = isTemplate ? pick(HOSTILE_TEMPLATES) : pick(HOSTILE_VALUES);
  parent[key] = value;
  return [JSON.stringify(json), `${where} = ${JSON.stringify(value).slice(0, 60)}`];
}
