/** The characters that stand for bytes in byte-level vocabularies (GPT-2's). Printable bytes stand for themselves. */
const BYTES = new Map<string, number>();
let next = 256;
for (let byte = 0; byte < 256; byte++) {
  const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  BYTES.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Decodes byte-level tokens. Tokens with other characters (added tokens) stand for themselves. */
export function decodeBytes(tokens: readonly string[]): string {
  return decoder.decode(Uint8Array.from(tokens.flatMap((token) => [...bytesOf(token)])));
}

function bytesOf(token: string): Iterable<number> {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTES.get(character);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return bytes;
}
