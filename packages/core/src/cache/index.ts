export { BlockManager } from './block_manager.ts';
export type {
  AllocateOptions,
  AppendResult,
  BlockManagerOptions,
  BlockManagerStats,
  SequenceId,
  SequenceState,
  TokenIds,
} from './block_manager.ts';
export type { BlockHash } from './prefix_index.ts';
export { PagedKV } from './paged_kv.ts';
export type { PagedKVOptions, PagedKVStep, StartOptions, StepWork } from './paged_kv.ts';
export { PagedKVCache } from './paged_kv_cache.ts';
export type { LayerCache, PagedKVCacheOptions } from './paged_kv_cache.ts';
export { disposeInputMetadata, METADATA_TENSORS } from './input_metadata.ts';
export type { InputMetadata, MetadataTensorName, StepMetadata, StepTensors } from './input_metadata.ts';
export { buildInputMetadata } from './build_input_metadata.ts';
export type { BuildInputMetadataOptions, MetadataShape, ScheduledSequence } from './build_input_metadata.ts';
