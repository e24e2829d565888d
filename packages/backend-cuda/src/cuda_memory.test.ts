import { describe, expect, test } from '@jest/globals';
import { AttentionError } from '@attention-js/core';
import type { NativeContext } from './addon.ts';
import { CudaMemory } from './cuda_memory.ts';

const MEGABYTE = 2 ** 20;

/** A device of 100 MB that tells what is asked of it. */
function fakeDevice() {
  const sizes = new Map<number, number>();
  let calls = 0;
  const used = () => [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const allocate = (byteLength: number): number => {
    if (used() + byteLength > 100 * MEGABYTE) throw new AttentionError('ERR_OUT_OF_MEMORY', 'none left');
    sizes.set(++calls, byteLength);
    return calls;
  };
  const free = (address: number): void => {
    if (!sizes.delete(address)) throw new Error(`${address} is not in use`);
  };
  const context = { isHost: false, allocate, free, allocateHost: allocate, freeHost: free, trim() {} };
  const memory = new CudaMemory('cuda', context as unknown as NativeContext);
  return { memory, used, allocations: () => calls };
}

describe('device memory', () => {
  test('that was freed goes to the next allocation of its size', () => {
    const { memory, allocations } = fakeDevice();
    const first = memory.allocate(1000);
    const { address } = first;
    first.free();
    first.free(); // once
    expect(memory.byteLength).toBe(0);
    expect(memory.allocate(1001).address).not.toBe(address);
    expect(memory.allocate(1000).address).toBe(address);
    expect(memory.allocate(1000).address).not.toBe(address);
    expect(allocations()).toBe(3);
    expect(memory.byteLength).toBe(3001);
  });

  test('is kept for reuse up to 32 MB, in pieces of up to 4 MB', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(4 * MEGABYTE + 1).free();
    expect(used()).toBe(0);
    const buffers = Array.from({ length: 8 }, () => memory.allocate(4 * MEGABYTE));
    for (const buffer of buffers) buffer.free();
    expect(used()).toBe(32 * MEGABYTE);
    memory.allocate(8).free();
    expect(used()).toBe(8);
  });

  test('that is kept is given back before an allocation fails, and before an operation does', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(3 * MEGABYTE).free();
    const large = memory.allocate(98 * MEGABYTE);
    expect(used()).toBe(98 * MEGABYTE);
    large.free();
    memory.allocate(3 * MEGABYTE).free();
    expect(memory.withSpare(() => used())).toBe(3 * MEGABYTE);
    const scratch = () => {
      if (used() > 0) throw new AttentionError('ERR_OUT_OF_MEMORY', 'none left');
      return 'done';
    };
    expect(memory.withSpare(scratch)).toBe('done');
    expect(() => memory.allocate(101 * MEGABYTE)).toThrow('none left');
    expect(memory.byteLength).toBe(0);
  });

  test('that is kept does not hide other errors', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(8).free();
    expect(() =>
      memory.withSpare(() => {
        throw new AttentionError('ERR_DEVICE', 'a fault');
      }),
    ).toThrow('a fault');
    expect(used()).toBe(8);
  });

  test('that is pinned is not kept', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(8, true).free();
    expect(used()).toBe(0);
  });

  test('is given back with the backend', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(8).free();
    memory.allocate(16);
    memory.dispose();
    expect(used()).toBe(0);
  });
});
