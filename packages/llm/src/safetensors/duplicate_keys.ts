/**
 * Finds a key that occurs twice in one object of a JSON text, which `JSON.parse` silently accepts.
 *
 * @param text Valid JSON.
 * @returns The key, or `undefined`.
 */
export function findDuplicateKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  let [begin, end] = [0, 0]; // of the latest string, which is a key if a colon follows
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      [begin, end] = [i, endOfString(text, i)];
      i = end - 1;
    } else if (character === ':') {
      const key = JSON.parse(text.slice(begin, end)) as string; // "a" and "\u0061" are the same key
      const keys = objects[objects.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    } else if (character === '{') {
      objects.push(new Set());
    } else if (character === '}') {
      objects.pop();
    }
  }
  return undefined;
}

/** The position after the closing quote of the string that starts at `begin`. */
function endOfString(text: string, begin: number): number {
  for (let quote = text.indexOf('"', begin + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}
