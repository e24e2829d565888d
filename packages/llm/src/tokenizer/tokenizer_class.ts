/** What transformers calls the class that takes a tokenizer.json as it is. */
export const FILE_CLASS = 'TokenizersBackend';

const GPT2 = 'GPT2Tokenizer';
const NEOX = 'GPTNeoXTokenizer';
const QWEN = 'Qwen2Tokenizer';
const GEMMA = 'GemmaTokenizer';

/** The class that transformers 5.17 registers for a `model_type`, for decoders whose tokenizer.json it does not take as it is. */
const REGISTERED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['gpt2', 'gpt_neo', 'gptj', 'opt', 'phi', 'codegen', 'starcoder2', 'dbrx', 'jais2'].map((type) => [
      type,
      GPT2,
    ]),
  ),
  ...Object.fromEntries(
    ['gpt_neox', 'olmo', 'olmoe', 'mpt', 'mamba', 'mamba2', 'falcon_mamba', 'rwkv', 'xlstm'].map((type) => [
      type,
      NEOX,
    ]),
  ),
  ...Object.fromEntries(
    ['qwen2', 'qwen2_moe', 'qwen3', 'qwen3_moe', 'qwen3_next'].map((type) => [type, QWEN]),
  ),
  ...Object.fromEntries(['qwen3_5', 'qwen3_5_moe', 'qwen3_5_text'].map((type) => [type, 'Qwen3_5Tokenizer'])),
  ...Object.fromEntries(
    ['gemma', 'gemma2', 'gemma3', 'gemma3_text', 'gemma3n', 'gemma3n_text', 'recurrent_gemma'].map((type) => [
      type,
      GEMMA,
    ]),
  ),
};

/** Types whose tokenizer.json transformers takes as it is, whatever the folder says. */
const FILE_TYPES = new Set([
  'deepseek_v2',
  'deepseek_v3',
  'ernie4_5',
  'ernie4_5_moe',
  'falcon_h1',
  'glm',
  'glm4',
  'glm4_moe',
  'glm4_moe_lite',
  'granite',
  'granitemoe',
  'kimi_linear',
  'minimax_m2',
  'ministral',
  'ministral3',
  'mistral',
  'mixtral',
  'nemotron',
  'olmo2',
  'olmo3',
  'phi3',
  'phimoe',
  'stablelm',
]);

const withoutFast = (name: string): string => name.replace(/Fast$/, '');

/**
 * The class with which transformers 5.17 reads a folder's tokenizer: it decides what is taken of tokenizer.json.
 *
 * @param modelType `model_type` of config.json.
 * @param named `tokenizer_class` of tokenizer_config.json, else of config.json.
 */
export function tokenizerClass(modelType: string | undefined, named: string | undefined): string {
  const given = named === undefined ? undefined : withoutFast(named);
  if (modelType !== undefined && FILE_TYPES.has(modelType)) return FILE_CLASS;
  const registered =
    modelType !== undefined && Object.hasOwn(REGISTERED, modelType) ? REGISTERED[modelType] : undefined;
  if (modelType === 'qwen2' && given !== undefined) return QWEN; // folders of Qwen 2 are known to name another
  return given ?? registered ?? FILE_CLASS;
}
