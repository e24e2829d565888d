import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';

/** A launch that copies blocks of `blockWords` words. */
export interface BlockCopy {
  /** Stem of the shader. */
  shader: string;
  /** Its function. */
  function: string;
  /** The caches, bound before the pairs. */
  caches: TensorInfo[];
  /** Source block, destination block, source block, … */
  pairs: Int32Array;
  /** Words of a block, in the word that the function copies. */
  blockWords: number;
}

/** Uploads the pairs and copies all of them in one launch. */
export function copyBlockPairs(backend: MetalBackend, copy: BlockCopy): void {
  const { shader, function: name, caches, pairs, blockWords } = copy;
  if (pairs.length === 0) return;
  const uploaded = backend.makeTensorInfo([pairs.length], 'int32', pairs);
  backend.dispatch({
    shader,
    function: name,
    buffers: [...caches, uploaded],
    params: [uint32(blockWords)],
    ...stridedGrid(blockWords, 4, pairs.length / 2),
  });
  backend.disposeIntermediateTensorInfo(uploaded);
}
