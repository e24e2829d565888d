import { BYTE_TOKENIZER_CONFIG, byteTokenizerJson } from './byte_tokenizer.ts';
import { packSafetensors } from './write_safetensors.ts';
import type { RawTensor } from './write_safetensors.ts';

const [HIDDEN, FEATURES, HEAD] = [16, 24, 8];
/** 256 bytes and four special tokens. */
const VOCABULARY = 260;

/** The files of a minimal model folder with every kind of file; the weights are arbitrary. */
export function tinyFolder(): Record<string, string | Uint8Array> {
  const config = {
    model_type: 'llama',
    vocab_size: VOCABULARY,
    hidden_size: HIDDEN,
    intermediate_size: FEATURES,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: HEAD,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    rope_scaling: null,
    tie_word_embeddings: false,
    torch_dtype: 'float32',
    eos_token_id: [258],
  };
  const layer = 'model.layers.0.';
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [VOCABULARY, HIDDEN],
    'model.norm.weight': [HIDDEN],
    'lm_head.weight': [VOCABULARY, HIDDEN],
    [`${layer}input_layernorm.weight`]: [HIDDEN],
    [`${layer}post_attention_layernorm.weight`]: [HIDDEN],
    [`${layer}self_attn.q_proj.weight`]: [2 * HEAD, HIDDEN],
    [`${layer}self_attn.k_proj.weight`]: [HEAD, HIDDEN],
    [`${layer}self_attn.v_proj.weight`]: [HEAD, HIDDEN],
    [`${layer}self_attn.o_proj.weight`]: [HIDDEN, 2 * HEAD],
    [`${layer}mlp.gate_proj.weight`]: [FEATURES, HIDDEN],
    [`${layer}mlp.up_proj.weight`]: [FEATURES, HIDDEN],
    [`${layer}mlp.down_proj.weight`]: [HIDDEN, FEATURES],
  };
  const tensors = Object.entries(shapes).map(([name, shape], i) => [name, anyTensor(shape, i)] as const);
  const { chat_template: template, ...tokenizerConfig } = BYTE_TOKENIZER_CONFIG;
  return {
    'config.json': JSON.stringify(config),
    'generation_config.json': JSON.stringify({
      do_sample: true,
      temperature: 0.7,
      top_k: 20,
      top_p: 0.9,
      min_p: 0,
      repetition_penalty: 1.1,
      eos_token_id: [258, 256],
    }),
    'tokenizer.json': JSON.stringify(byteTokenizerJson()),
    'tokenizer_config.json': JSON.stringify({
      ...tokenizerConfig,
      tokenizer_class: 'PreTrainedTokenizerFast',
      additional_special_tokens: ['<|user|>', '<|assistant|>'],
      chat_template: template,
    }),
    'special_tokens_map.json': JSON.stringify({ bos_token: '<s>', eos_token: { content: '</s>' } }),
    'model.safetensors': packSafetensors(Object.fromEntries(tensors)),
  };
}

function anyTensor(shape: number[], seed: number): RawTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length }, (_, i) => Math.sin(seed + i * 12.9898) / 4);
  return { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
}
