import { describe, expect, test } from '@jest/globals';
import { AttentionError } from '@attention-js/core';
import type { NativeContext } from './addon.ts';
import { CudaMemory } from './cuda_memory.ts';

const MEGABYTE = 2 ** 20;

/** A fake device with 100 MB that records its calls. */
function fakeDevice() {
  const sizes = new Map<number, number>();
  let calls = 0;
  let used = 0;
  const isFull = (byteLength: number) => used + byteLength > 100 * MEGABYTE;
  const allocate = (byteLength: number): number => {
    if (isFull(byteLength)) context.releaseSpare?.();
    if (isFull(byteLength)) throw new AttentionError('ERR_OUT_OF_MEMORY', 'none left');
    sizes.set(++calls, byteLength);
    used += byteLength;
    return calls;
  };
  const free = (address: number): void => {
    used -= sizes.get(address) ?? Number.NaN; // NaN for memory that is not in use
    sizes.delete(address);
  };
  const context = {
    isEmulated: false,
    memoryUse: new Float64Array(3),
    allocate,
    free,
    allocatePinned: allocate,
    freePinned: free,
    trim() {},
  } as unknown as NativeContext;
  return { memory: new CudaMemory('cuda', context), context, used: () => used, allocations: () => calls };
}

describe('device memory', () => {
  test('is reused by the next allocation of the same size', () => {
    const { memory, allocations } = fakeDevice();
    const first = memory.allocate(1000);
    const { address } = first;
    first.free();
    first.free(); // has no effect
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

  test('is kept in small pieces too, which take 512 bytes of the driver each', () => {
    const { memory, used } = fakeDevice();
    const buffers = Array.from({ length: 2 ** 16 }, () => memory.allocate(4));
    for (const buffer of buffers) buffer.free();
    expect(used()).toBe(4 * 2 ** 16);
    memory.allocate(4).free();
    memory.allocate(520).free();
    expect(used()).toBe(520);
  });

  test('kept for reuse is released before an allocation fails', () => {
    const { memory, context, used } = fakeDevice();
    memory.allocate(3 * MEGABYTE).free();
    const large = memory.allocate(98 * MEGABYTE);
    expect(used()).toBe(98 * MEGABYTE);
    large.free();
    memory.allocate(3 * MEGABYTE).free();
    expect(used()).toBe(3 * MEGABYTE);
    context.releaseSpare?.(); // as an operation does that runs out of memory
    expect(used()).toBe(0);
    memory.allocate(3 * MEGABYTE).free();
    expect(() => memory.allocate(101 * MEGABYTE)).toThrow('none left');
    expect(used()).toBe(0);
    expect(memory.byteLength).toBe(0);
  });

  test('reports the growth of peak use since the previous call', () => {
    const { memory, context } = fakeDevice();
    memory.allocate(1000);
    expect(memory.takeGrowth()).toBe(0);
    const [first, second] = [memory.allocate(500), memory.allocate(300)];
    first.free();
    memory.allocate(100);
    context.memoryUse[1] = 40; // scratch memory of a kernel
    second.free();
    expect(memory.takeGrowth()).toBe(1800 - 1140);
    expect(memory.takeGrowth()).toBe(0);
    expect(memory.peak).toBe(1800);
  });

  test('kept for reuse does not count as used', () => {
    const { memory, context } = fakeDevice();
    memory.allocate(1000).free();
    const buffer = memory.allocate(1500);
    expect(memory.peak).toBe(1500);
    context.memoryUse[1] = 100; // scratch memory of a kernel
    memory.allocate(1000);
    buffer.free();
    memory.allocate(1500);
    expect(memory.peak).toBe(2600);
    expect(memory.byteLength).toBe(2500);
  });

  test('that the device fails to free is not handed out again', () => {
    const { memory, context } = fakeDevice();
    const addresses = [8, 16, 24]
      .map((size) => memory.allocate(size))
      .map((buffer) => {
        const { address } = buffer;
        buffer.free();
        return address;
      });
    context.free = () => {
      throw new AttentionError('ERR_DEVICE', 'a fault');
    };
    expect(() => context.releaseSpare?.()).toThrow('a fault');
    for (const size of [8, 16, 24]) expect(addresses).not.toContain(memory.allocate(size).address);
  });

  test('that is pinned is not kept for reuse', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(8, true).free();
    expect(used()).toBe(0);
  });

  test('is released with the backend', () => {
    const { memory, used } = fakeDevice();
    memory.allocate(8).free();
    memory.allocate(16);
    memory.dispose();
    expect(used()).toBe(0);
  });
});
