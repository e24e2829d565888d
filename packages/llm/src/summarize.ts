const MAX_ITEMS = 8;
const MAX_CHARACTERS = 80;

/** Formats a value from a file for an error message: always short, even if the value is long or deeply nested. */
export function summarize(value: unknown): string {
  if (!Array.isArray(value)) return summarizeItem(value);
  const items = value.slice(0, MAX_ITEMS).map(summarizeItem);
  return `[${items.join(', ')}${value.length > MAX_ITEMS ? ', …' : ''}]`;
}

function summarizeItem(value: unknown): string {
  if (Array.isArray(value)) return value.length > 0 ? '[…]' : '[]';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? value.slice(0, MAX_CHARACTERS + 1) : String(value);
  const short = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
  return typeof value === 'string' ? JSON.stringify(short) : short;
}
