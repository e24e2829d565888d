import { AttentionError } from '../errors.ts';
import type { BlockStorage } from './storage_types.ts';

/** The error of an op that does not support quantized weights. Nothing is decoded silently. */
export function blockStorageError(storage: BlockStorage): AttentionError {
  return new AttentionError(
    'ERR_DTYPE',
    `[${storage}] tensor: expected an op that takes quantized weights, such as linear, received another; ` +
      'data() decodes it',
  );
}
