import { expect, test } from '@jest/globals';
import type { NativeBuffer, NativeDevice } from './addon.ts';
import { MetalMemory } from './device_memory.ts';

/** A device whose work completes when the test says so. */
function makeDevice() {
  const freed: NativeBuffer[] = [];
  let finish!: () => void;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const device = {
    makeBuffer: (byteLength: number) => ({ byteLength }) as unknown as NativeBuffer,
    freeBuffer: (buffer: NativeBuffer) => freed.push(buffer),
    wait: () => {},
    waitAsync: () => done,
  } as unknown as NativeDevice;
  return { memory: new MetalMemory(device), freed, finish };
}

test('a read in progress survives the disposal of all memory', async () => {
  const { memory, freed, finish } = makeDevice();
  const [read, other] = [memory.allocate(64), memory.allocate(64)];
  memory.use([read, other]);
  const freedDuringRead = memory.whenDone(read, () => [...freed]);
  memory.dispose();
  finish();
  expect(await freedDuringRead).toEqual([other.native]);
  expect(freed).toEqual([other.native, read.native]);
});

test('a read does not free the buffer while the memory is in use', async () => {
  const { memory, freed, finish } = makeDevice();
  const buffer = memory.allocate(64);
  memory.use([buffer]);
  finish();
  expect(await memory.whenDone(buffer, () => 1)).toBe(1);
  expect(freed).toEqual([]);
});
