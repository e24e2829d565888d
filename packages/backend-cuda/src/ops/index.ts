// One line an op: the file gives it its kernel.
import './merge_attention_states.ts';
import './paged_attention.ts';
import './rms_norm.ts';
import './varlen_attention.ts';
