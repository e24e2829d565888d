import type { TokenizerJson } from './tokenizer_json.ts';

/** Settings of tokenizer_config.json. */
type Config = Readonly<Record<string, unknown>>;

/** How a tokenizer class of transformers rebuilds a tokenizer.json: it keeps the vocabulary and replaces the rest. */
export interface TokenizerRecipe {
  /** The class's special tokens, unless tokenizer_config.json names others. */
  defaults: Readonly<Record<string, string>>;
  /** Whether the class ignores the post-processor, so that no special tokens are added around a text. */
  dropsPostProcessor?: boolean;
  /** Whether the flags of special tokens are ignored. */
  plainSpecialTokens?: boolean;
  /** The replaced parts of tokenizer.json. */
  parts: (config: Config) => Partial<Omit<TokenizerJson, 'model'>> & { model: object };
}

const QWEN_SPLIT = (letters: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[${letters}]+|\\p{N}` +
  `| ?[^\\s${letters}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const byteLevel = (config: Config, useRegex: boolean): object => ({
  type: 'ByteLevel',
  add_prefix_space: config.add_prefix_space === true,
  trim_offsets: true,
  use_regex: useRegex,
});

const byteDecoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
const spaceDecoders = [
  { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
  { type: 'ByteFallback' },
  { type: 'Fuse' },
];
const plainModel = { unk_token: null, fuse_unk: false, byte_fallback: false, ignore_merges: false };

function qwen(letters: string): TokenizerRecipe {
  const endoftext = '<|endoftext|>';
  return {
    defaults: { unk_token: endoftext, eos_token: endoftext, pad_token: endoftext },
    parts: (config) => ({
      model: plainModel,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: QWEN_SPLIT(letters) }, behavior: 'Isolated', invert: false },
          byteLevel(config, false),
        ],
      },
      decoder: byteDecoder,
    }),
  };
}

const gpt2Tokens = { unk_token: '<|endoftext|>', bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' };

/** The classes that rebuild their tokenizer, among those of decoder models. */
export const RECIPES: Readonly<Record<string, TokenizerRecipe>> = {
  LlamaTokenizer: {
    defaults: { unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' },
    parts: (config) => {
      const prefix = config.add_prefix_space !== false;
      const scheme = config.legacy === true ? 'always' : 'first';
      return {
        model: { unk_token: null, fuse_unk: true, byte_fallback: true, ignore_merges: false },
        normalizer: null,
        pre_tokenizer: {
          type: 'Metaspace',
          replacement: '▁',
          prepend_scheme: prefix ? scheme : 'never',
          split: false,
        },
        decoder: {
          type: 'Sequence',
          decoders: [
            ...spaceDecoders,
            ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
          ],
        },
      };
    },
  },
  GemmaTokenizer: {
    defaults: {
      unk_token: '<unk>',
      bos_token: '<bos>',
      eos_token: '<eos>',
      pad_token: '<pad>',
      mask_token: '<mask>',
    },
    parts: ({ unk_token: unknown = '<unk>' }) => ({
      model: { unk_token: contentOf(unknown), fuse_unk: true, byte_fallback: true, ignore_merges: false },
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: null,
      decoder: { type: 'Sequence', decoders: spaceDecoders },
    }),
  },
  GPT2Tokenizer: {
    defaults: gpt2Tokens,
    parts: (config) => ({
      model: plainModel,
      normalizer: null,
      pre_tokenizer: byteLevel(config, true),
      decoder: byteDecoder,
    }),
  },
  GPTNeoXTokenizer: {
    defaults: { ...gpt2Tokens, pad_token: '<|padding|>' },
    dropsPostProcessor: true,
    parts: (config) => ({
      model: plainModel,
      normalizer: { type: 'NFC' },
      pre_tokenizer: byteLevel(config, true),
      decoder: byteDecoder,
    }),
  },
  Qwen2Tokenizer: { ...qwen('\\p{L}'), plainSpecialTokens: true },
  Qwen3_5Tokenizer: qwen('\\p{L}\\p{M}'),
};

function contentOf(token: unknown): string | null {
  if (typeof token === 'string') return token;
  const content = typeof token === 'object' && token !== null && 'content' in token ? token.content : null;
  return typeof content === 'string' ? content : null;
}

/** How a vocabulary spells a space: ▁ as SentencePiece does, or Ġ as byte-level vocabularies do. */
function spaceOf({ model }: TokenizerJson): '▁' | 'Ġ' {
  const names = Array.isArray(model.vocab) ? [] : Object.keys(model.vocab);
  return names.some((name) => name.startsWith('Ġ')) ? 'Ġ' : '▁';
}

/**
 * The recipe of a class, if it fits the vocabulary. Some folders name a class for another kind of vocabulary (Llama's
 * for a byte-level one); transformers keeps a list of their names on the hub, but here their tokenizer.json is used as
 * it is.
 */
export function recipeFor(name: string, file: TokenizerJson): TokenizerRecipe | undefined {
  if (!Object.hasOwn(RECIPES, name) || file.model.type !== 'BPE') return undefined;
  const wanted = name === 'LlamaTokenizer' || name === 'GemmaTokenizer' ? '▁' : 'Ġ';
  return spaceOf(file) === wanted ? RECIPES[name] : undefined;
}
