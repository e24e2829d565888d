export { assignStorage, assignStorageOp } from './assign_storage.ts';
export type { AssignStorageInputs } from './assign_storage.ts';
export type { AttentionAttributes, AttentionOptions, HeadInputs } from './attention_options.ts';
export type { BlockPairsAttributes } from './block_pairs.ts';
export { cacheLayout, checkCacheLayout, checkHeadSize, elementOffset, headAddress } from './cache_layout.ts';
export type { CacheLayout, CacheStrides } from './cache_layout.ts';
export { castStorage, castStorageOp } from './cast_storage.ts';
export type { CastStorageAttributes, CastStorageInputs } from './cast_storage.ts';
export { copyBlocks, copyBlocksOp } from './copy_blocks.ts';
export type { CopyBlocksInputs } from './copy_blocks.ts';
export { fusedMoe, fusedMoeOp } from './fused_moe.ts';
export type { FusedMoeAttributes, FusedMoeInputs, MoeActivation } from './fused_moe.ts';
export { geluAndMul, geluAndMulOp } from './gelu_and_mul.ts';
export type { GeluAndMulAttributes, GeluAndMulInputs } from './gelu_and_mul.ts';
export { linear, linearOp } from './linear.ts';
export type { LinearInputs } from './linear.ts';
export { mergeAttentionStates, mergeAttentionStatesOp } from './merge_attention_states.ts';
export type { MergeAttentionStatesInputs } from './merge_attention_states.ts';
export { moeGemm, moeGemmOp } from './moe_gemm.ts';
export type { MoeGemmAttributes, MoeGemmInputs, MoeGemmOptions } from './moe_gemm.ts';
export { pagedAttention, pagedAttentionOp, pagedAttentionWithLse } from './paged_attention.ts';
export type { AttentionMetadata, PagedAttentionAttributes, PagedAttentionInputs } from './paged_attention.ts';
export { reshapeAndCache, reshapeAndCacheOp } from './reshape_and_cache.ts';
export type { ReshapeAndCacheInputs } from './reshape_and_cache.ts';
export { rmsNorm, rmsNormOp } from './rms_norm.ts';
export type { RmsNormAttributes, RmsNormInputs, RmsNormOptions } from './rms_norm.ts';
export { rotaryEmbedding, rotaryEmbeddingOp } from './rotary_embedding.ts';
export type { RotaryEmbeddingAttributes, RotaryEmbeddingInputs } from './rotary_embedding.ts';
export { sampleTokens, sampleTokensOp } from './sample_tokens.ts';
export type { SampleTokensInputs } from './sample_tokens.ts';
export type { PerRow, SamplingParameters } from './sampling_parameters.ts';
export { siluAndMul, siluAndMulOp } from './silu_and_mul.ts';
export type { SiluAndMulInputs } from './silu_and_mul.ts';
export { sortTokensByExpert, sortTokensByExpertOp } from './sort_tokens_by_expert.ts';
export type {
  ExpertOrder,
  SortTokensByExpertAttributes,
  SortTokensByExpertInputs,
} from './sort_tokens_by_expert.ts';
export { swapBlocks, swapBlocksOp } from './swap_blocks.ts';
export type { SwapBlocksInputs } from './swap_blocks.ts';
export { topkSoftmax, topkSoftmaxOp } from './topk_softmax.ts';
export type {
  ExpertRouting,
  TopkSoftmaxAttributes,
  TopkSoftmaxInputs,
  TopkSoftmaxOptions,
} from './topk_softmax.ts';
export { varlenAttention, varlenAttentionOp } from './varlen_attention.ts';
export type {
  VarlenAttentionAttributes,
  VarlenAttentionInputs,
  VarlenAttentionOptions,
  VarlenMetadata,
} from './varlen_attention.ts';
