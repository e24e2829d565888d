// One line an op: the file gives it its kernel.
import './assign_storage.ts';
import './cast_storage.ts';
import './copy_blocks.ts';
import './gelu_and_mul.ts';
import './linear.ts';
import './merge_attention_states.ts';
import './paged_attention.ts';
import './reshape_and_cache.ts';
import './rms_norm.ts';
import './rotary_embedding.ts';
import './sample_tokens.ts';
import './silu_and_mul.ts';
import './sort_tokens_by_expert.ts';
import './swap_blocks.ts';
import './topk_softmax.ts';
import './varlen_attention.ts';
