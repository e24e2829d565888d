import type { TokenizerConfig } from '../tokenizer/index.ts';
import { Tokenizer } from '../tokenizer/index.ts';

const SPECIAL_TOKENS = ['<s>', '</s>', '<|user|>', '<|assistant|>'];

/** The printable characters that stand for bytes in byte-level vocabularies (GPT-2). */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/** tokenizer.json of a byte-level BPE tokenizer: ids 0-255 are bytes, then `merges`, then {@link SPECIAL_TOKENS}. */
export function byteTokenizerJson(merges: [string, string][] = []): object {
  const tokens = [...byteCharacters(), ...merges.map((pair) => pair.join(''))];
  return {
    version: '1.0',
    added_tokens: SPECIAL_TOKENS.map((content, i) => ({
      id: tokens.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** The matching tokenizer_config.json. */
export const BYTE_TOKENIZER_CONFIG: TokenizerConfig = {
  bos_token: '<s>',
  eos_token: { content: '</s>', special: true },
  chat_template:
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}" +
    "{{ raise_exception('no system role') }}{% endif %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}" +
    '{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}',
};

/** A byte-level tokenizer: 256 bytes, then `merges`, then the special tokens. */
export function byteTokenizer(merges?: [string, string][]): Tokenizer {
  return new Tokenizer(byteTokenizerJson(merges), BYTE_TOKENIZER_CONFIG);
}
