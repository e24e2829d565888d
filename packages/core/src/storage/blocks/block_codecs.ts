import type { BlockStorage } from '../storage_types.ts';
import type { BlockCodec } from './block_codec.ts';
import { q4_0, q5_0, q8_0 } from './scaled_blocks.ts';
import { q4_k, q5_k, q6_k } from './super_blocks.ts';

/** The codec of each block type. To add a type, add a row here and one to `STORAGE_FORMATS`. */
export const BLOCK_CODECS: Readonly<Record<BlockStorage, BlockCodec>> = {
  q4_0,
  q5_0,
  q8_0,
  q4_k,
  q5_k,
  q6_k,
};
