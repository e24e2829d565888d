/**
 * Finds a key that an object of a JSON text has twice, which `JSON.parse` takes without a word.
 *
 * @param text Valid JSON.
 * @returns The key as it is written, or `undefined`.
 */
export function findDuplicateKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*:?|[{}]/g)) {
    if (token === '{') {
      objects.push(new Set());
    } else if (token === '}') {
      objects.pop();
    } else if (token.endsWith(':')) {
      const key = JSON.stringify(JSON.parse(token.slice(0, -1))); // "a" and "\u0061" are one key
      const keys = objects[objects.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
