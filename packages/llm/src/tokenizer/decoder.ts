import { Checks } from '@attention-js/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { summarize } from '../summarize.ts';
import { decodeBytes } from './byte_level.ts';
import { isObject } from './tokenizer_json.ts';

/** Converts tokens to pieces of text, to be joined. */
type DecodeTokens = (tokens: string[]) => string[];

const ARGUMENT = 'tokenizer.json: decoder';
const MAX_DECODERS = 100;
const BYTE = /^<0x([\dA-Fa-f]{2})>$/;

const checks = new Checks('Tokenizer');
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decoder types that the library implements. */
const LIBRARY = ['BPEDecoder', 'Fuse', 'Metaspace', 'Replace', 'Strip', 'WordPiece'];

/**
 * Makes the decoder of a tokenizer.json. Without one, tokens are words, separated by spaces.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` for one of another kind, `ERR_DTYPE` for one that is incomplete.
 */
export function makeDecoder(config: object | null): (tokens: string[]) => string {
  if (config === null) return (tokens) => tokens.join(' ');
  const decode = makeStep(config, 0);
  return (tokens) => decode(tokens).join('');
}

function makeStep(config: object, depth: number): DecodeTokens {
  const { type, decoders } = config as Record<string, unknown>;
  if (type === 'ByteLevel') return (tokens) => [decodeBytes(tokens)];
  if (type === 'ByteFallback') return joinBytes;
  if (type === 'Sequence') {
    const valid =
      Array.isArray(decoders) && decoders.length <= MAX_DECODERS && decoders.every(isObject) && depth < 5;
    checks.expect(valid, 'ERR_DTYPE', `${ARGUMENT}: decoders`, 'a list of decoders', summarize(decoders));
    const steps = (decoders as object[]).map((decoder) => makeStep(decoder, depth + 1));
    return (tokens) => steps.reduce((texts, step) => step(texts), tokens);
  }
  const known = [...LIBRARY, 'ByteLevel', 'ByteFallback', 'Sequence'];
  const isKnown = typeof type === 'string' && LIBRARY.includes(type);
  checks.expect(
    isKnown,
    'ERR_UNSUPPORTED',
    `${ARGUMENT}: type`,
    `one of ${known.join(', ')}`,
    summarize(type),
  );
  return libraryStep(config);
}

function libraryStep(config: object): DecodeTokens {
  const rest = { normalizer: null, pre_tokenizer: null, post_processor: null, added_tokens: [] };
  try {
    const file = { model: { type: 'BPE', vocab: {}, merges: [] }, decoder: config, ...rest };
    const { decoder } = new HuggingFaceTokenizer(file, {});
    return (tokens) => decoder!.decode_chain(tokens);
  } catch (cause) {
    return checks.fail('ERR_DTYPE', ARGUMENT, 'a decoder', (cause as Error).message);
  }
}

/**
 * Joins byte tokens such as `<0xE2>` into characters. A run of bytes that is not valid UTF-8 gives one replacement
 * character per byte.
 */
function joinBytes(tokens: string[]): string[] {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length > 0) texts.push(textOf(bytes));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = token.length === 6 ? BYTE.exec(token) : null;
    if (byte) bytes.push(Number.parseInt(byte[1], 16));
    else {
      flush();
      texts.push(token);
    }
  }
  flush();
  return texts;
}

function textOf(bytes: readonly number[]): string {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return '\uFFFD'.repeat(bytes.length);
  }
}
