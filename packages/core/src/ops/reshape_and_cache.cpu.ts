import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensor, CpuTensors } from '../cpu_kernel.ts';
import { roundArrayToStorage } from '../storage/half_precision.ts';
import { elementStorageOf } from '../storage/storage_backend.ts';
import { cacheLayout, headAddress } from './cache_layout.ts';
import type { CacheLayout, CacheStrides } from './cache_layout.ts';
import type { ReshapeAndCacheInputs } from './reshape_and_cache.ts';

const checks = new Checks('reshapeAndCache');

export const reshapeAndCacheCpu = cpuKernel<ReshapeAndCacheInputs, object>((inputs) => {
  checkReshapeAndCacheValues(inputs);
  const { key, value, keyCache, valueCache, slotMapping } = inputs;
  const layout = cacheLayout(keyCache, valueCache);
  const slots = slotMapping.values;
  store(key, keyCache, layout.key, layout, slots);
  store(value, valueCache, layout.value, layout, slots);
});

/** Checks that every slot is -1 or a slot of the cache, and that no two tokens share one. */
export function checkReshapeAndCacheValues({
  keyCache,
  valueCache,
  slotMapping,
}: CpuTensors<ReshapeAndCacheInputs>): void {
  const slots = slotMapping.values;
  const { numBlocks, blockSize } = cacheLayout(keyCache, valueCache);
  const numSlots = numBlocks * blockSize;
  const tokens = new Map<number, number>();
  for (let token = 0; token < slots.length; token++) {
    const slot = slots[token];
    if (slot === -1) continue;
    if (slot < 0 || slot >= numSlots) {
      checks.fail('ERR_RANGE', `slotMapping[${token}]`, `-1 or a slot >= 0 and < ${numSlots}`, slot);
    }
    const other = tokens.get(slot);
    if (other !== undefined) {
      const expected = 'a slot that no other token has';
      checks.fail('ERR_RANGE', `slotMapping[${token}]`, expected, `slot ${slot} of token ${other}`);
    }
    tokens.set(slot, token);
  }
}

/** Writes row `t` of `rows` to slot `slots[t]` of `cache`. */
function store(
  rows: CpuTensor,
  cache: CpuTensor,
  strides: CacheStrides,
  { blockSize, numKvHeads, headSize }: CacheLayout,
  slots: ArrayLike<number>,
): void {
  const { chunkSize, chunk, element } = strides;
  const storage = elementStorageOf(cache);
  const row = new Float32Array(numKvHeads * headSize);
  for (let token = 0; token < slots.length; token++) {
    if (slots[token] === -1) continue;
    row.set(rows.values.subarray(token * row.length, (token + 1) * row.length));
    roundArrayToStorage(row, storage);
    let from = 0;
    for (let head = 0; head < numKvHeads; head++) {
      let to = headAddress(strides, blockSize, slots[token], head);
      for (let start = 0; start < headSize; start += chunkSize, to += chunk) {
        for (let i = 0; i < chunkSize; i++) cache.values[to + i * element] = row[from++];
      }
    }
  }
}
