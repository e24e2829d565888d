import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { cuda, describeOnCuda, isEmulated } from './testing/cuda.ts';

const variant = isEmulated ? 'emulator' : 'cuda';
const addon = fileURLToPath(new URL(`../build/${variant}/Release/attention_cuda.node`, import.meta.url));
const MEGABYTE = 2 ** 20;

/** Opens the device in a worker thread, allocates memory, reads it back asynchronously, and runs until terminated. */
const program = `
  const { parentPort } = require('node:worker_threads');
  const { NativeContext } = require(${JSON.stringify(addon)});
  const context = new NativeContext((code, message) => new Error(code + message), { ordinal: 0 });
  const address = context.allocate(64 * ${MEGABYTE});
  context.fillBytes(address, 7, 64 * ${MEGABYTE});
  context.downloadAsync(address, 16).then((bytes) => {
    parentPort.postMessage(new Uint8Array(bytes)[15]);
    context.downloadAsync(address, 64 * ${MEGABYTE}).catch(() => {}); // in progress when the thread ends
  });
  setInterval(() => {}, 1000);
`;

describeOnCuda('worker threads', () => {
  test('have their own contexts, whose memory is freed with the thread', async () => {
    const before = cuda().memory();
    const workers = Array.from({ length: 3 }, () => new Worker(program, { eval: true }));
    const answers = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    expect(answers).toEqual([7, 7, 7]);
    expect(cuda().memory().numBytesInGPU).toBe(before.numBytesInGPU);
    await Promise.all(workers.map((worker) => worker.terminate()));
    const least = cuda().isEmulated ? before.numBytesFree : 0; // on a GPU, other processes may allocate meanwhile
    expect(cuda().memory().numBytesFree).toBeGreaterThanOrEqual(least);
  });
});
