export { AttentionError } from '@attention-js/core';
export * from './engine/index.ts';
export * from './models/index.ts';
export * from './tokenizer/index.ts';
