/** Names of one expert's projections in a checkpoint; `{}` stands for the expert. */
export interface ExpertNames {
  readonly router: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/**
 * What a family calls its weights in a checkpoint. Gate and up projection are stored apart and loaded as one, in this
 * order.
 */
export interface WeightNames {
  /** Prefix of everything but the head. Checkpoints of the bare decoder lack it. */
  readonly base: string;
  readonly embedding: string;
  readonly embeddingNorm: string;
  readonly finalNorm: string;
  readonly head: string;
  /** Prefix of a layer's names; `{}` stands for the layer. */
  readonly layer: string;
  readonly inputNorm: string;
  /** The projections to queries, keys and values, or the one that is stored for all three. */
  readonly queryKeyValue: readonly string[];
  /**
   * How the one projection holds all three: of each KV head in turn its queries, key and value (`by head`), or all queries,
   * all keys, all values (`by part`). Absent if they are stored apart.
   */
  readonly joint?: 'by head' | 'by part';
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly attentionOutput: string;
  readonly attentionOutputNorm: string;
  readonly mlpNorm: string;
  readonly up: readonly string[];
  readonly down: string;
  readonly mlpOutputNorm: string;
  readonly experts: ExpertNames;
}

const llama: WeightNames = {
  base: 'model.',
  embedding: 'embed_tokens',
  embeddingNorm: '',
  finalNorm: 'norm',
  head: 'lm_head',
  layer: 'layers.{}.',
  inputNorm: 'input_layernorm',
  queryKeyValue: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  queryNorm: 'self_attn.q_norm',
  keyNorm: 'self_attn.k_norm',
  attentionOutput: 'self_attn.o_proj',
  attentionOutputNorm: '',
  mlpNorm: 'post_attention_layernorm',
  up: ['mlp.gate_proj', 'mlp.up_proj'],
  down: 'mlp.down_proj',
  mlpOutputNorm: '',
  experts: {
    router: 'mlp.gate',
    gate: 'mlp.experts.{}.gate_proj',
    up: 'mlp.experts.{}.up_proj',
    down: 'mlp.experts.{}.down_proj',
  },
};

const mixtral: WeightNames = {
  ...llama,
  experts: {
    router: 'block_sparse_moe.gate',
    gate: 'block_sparse_moe.experts.{}.w1',
    up: 'block_sparse_moe.experts.{}.w3',
    down: 'block_sparse_moe.experts.{}.w2',
  },
};

const gemma2: WeightNames = {
  ...llama,
  attentionOutputNorm: 'post_attention_layernorm',
  mlpNorm: 'pre_feedforward_layernorm',
  mlpOutputNorm: 'post_feedforward_layernorm',
};

const bloom: WeightNames = {
  ...llama,
  base: 'transformer.',
  embedding: 'word_embeddings',
  embeddingNorm: 'word_embeddings_layernorm',
  finalNorm: 'ln_f',
  layer: 'h.{}.',
  queryKeyValue: ['self_attention.query_key_value'],
  joint: 'by head',
  attentionOutput: 'self_attention.dense',
  up: ['mlp.dense_h_to_4h'],
  down: 'mlp.dense_4h_to_h',
};

const fused: Pick<WeightNames, 'up'> = { up: ['mlp.gate_up_proj'] };

const phi3: WeightNames = { ...llama, ...fused, queryKeyValue: ['self_attn.qkv_proj'], joint: 'by part' };

/** Norms of outputs only. */
const olmo2: WeightNames = {
  ...llama,
  attentionOutputNorm: 'post_attention_layernorm',
  mlpOutputNorm: 'post_feedforward_layernorm',
};

const glm: WeightNames = { ...llama, ...fused };

const glm4: WeightNames = {
  ...glm,
  attentionOutputNorm: 'post_self_attn_layernorm',
  mlpOutputNorm: 'post_mlp_layernorm',
};

const starcoder2: WeightNames = { ...llama, up: ['mlp.c_fc'], down: 'mlp.c_proj' };

const ungated: WeightNames = { ...llama, up: ['mlp.up_proj'] };

const phi: WeightNames = {
  ...llama,
  finalNorm: 'final_layernorm',
  attentionOutput: 'self_attn.dense',
  up: ['mlp.fc1'],
  down: 'mlp.fc2',
};

const gptNeox: WeightNames = {
  ...llama,
  base: 'gpt_neox.',
  embedding: 'embed_in',
  finalNorm: 'final_layer_norm',
  head: 'embed_out',
  queryKeyValue: ['attention.query_key_value'],
  joint: 'by head',
  attentionOutput: 'attention.dense',
  up: ['mlp.dense_h_to_4h'],
  down: 'mlp.dense_4h_to_h',
};

const special: Readonly<Record<string, WeightNames>> = {
  mixtral,
  gemma2,
  gemma3_text: gemma2,
  phi,
  phi3,
  olmo2,
  olmo3: olmo2,
  glm,
  glm4,
  exaone4: olmo2,
  starcoder2,
  arcee: ungated,
  nemotron: ungated,
  gpt_neox: gptNeox,
  bloom,
};

/** The names of a family's weights; most families have Llama's. */
export function weightNames(family: string): WeightNames {
  return special[family] ?? llama;
}
