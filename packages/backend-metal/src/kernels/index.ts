// Shaders in the place of tfjs's `cpu` kernels.
import './arg_reduce.ts';
import './binary.ts';
import './cast.ts';
import './concat.ts';
import './cumulate.ts';
import './fill.ts';
import './gather.ts';
import './matmul.ts';
import './one_hot.ts';
import './reduce.ts';
import './select.ts';
import './slice.ts';
import './softmax.ts';
import './top_k.ts';
import './transpose.ts';
import './unary.ts';
