// One line an op: the file gives it its kernel.
import './silu_and_mul.ts';
