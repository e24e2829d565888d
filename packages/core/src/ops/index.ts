export { siluAndMul, siluAndMulOp } from './silu_and_mul.ts';
export type { SiluAndMulInputs } from './silu_and_mul.ts';
