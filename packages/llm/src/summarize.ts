const MOST_ITEMS = 8;
const MOST_CHARACTERS = 80;

/** A value out of a file, for an error message: short, however long or deeply nested it is. */
export function summarize(value: unknown): string {
  if (!Array.isArray(value)) return summarizeItem(value);
  const items = value.slice(0, MOST_ITEMS).map(summarizeItem);
  return `[${items.join(', ')}${value.length > MOST_ITEMS ? ', …' : ''}]`;
}

function summarizeItem(value: unknown): string {
  if (Array.isArray(value)) return value.length > 0 ? '[…]' : '[]';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? value.slice(0, MOST_CHARACTERS + 1) : String(value);
  const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
  return typeof value === 'string' ? JSON.stringify(short) : short;
}
