/** transformers' name for the class that uses a tokenizer.json as it is. */
export const FILE_CLASS = 'TokenizersBackend';

const GPT2 = 'GPT2Tokenizer';
const NEOX = 'GPTNeoXTokenizer';
const QWEN = 'Qwen2Tokenizer';
const GEMMA = 'GemmaTokenizer';

/**
 * The class that transformers 5.17 registers for a `model_type`, for decoder models whose tokenizer.json it does not
 * use as it is.
 */
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

/** Model types whose tokenizer.json transformers uses as it is, whatever class the folder names. */
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
 * The class with which transformers 5.17 reads a folder's tokenizer. It decides which parts of tokenizer.json are used.
 *
 * @param modelType `model_type` of config.json.
 * @param named `tokenizer_class` of tokenizer_config.json, else of config.json.
 */
export function tokenizerClass(modelType: string | undefined, named: string | undefined): string {
  const given = named === undefined ? undefined : withoutFast(named);
  if (modelType !== undefined && FILE_TYPES.has(modelType)) return FILE_CLASS;
  const registered =
    modelType !== undefined && Object.hasOwn(REGISTERED, modelType) ? REGISTERED[modelType] : undefined;
  if (modelType === 'qwen2' && given !== undefined) return QWEN; // some folders of Qwen 2 name a wrong class
  return given ?? registered ?? FILE_CLASS;
}
