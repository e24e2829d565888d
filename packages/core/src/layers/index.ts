export { PagedAttention } from './paged_attention.ts';
export type { PagedAttentionForward, PagedAttentionOptions } from './paged_attention.ts';
