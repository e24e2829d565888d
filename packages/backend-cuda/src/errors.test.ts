import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MoeActivation } from '@attention-js/backend-common';
import { castStorage, rmsNorm, zerosWithStorage } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { CudaBackend } from './cuda_backend.ts';
import { registerCudaDevice } from './index.ts';
import { fusedMoe } from './ops/fused_moe.ts';
import { alive, cuda, describeOnCuda, isEmulated } from './testing/cuda.ts';

const outOfMemory = (operation: string) =>
  expect.objectContaining({
    name: 'AttentionError',
    code: 'ERR_OUT_OF_MEMORY',
    message: expect.stringMatching(
      new RegExp(String.raw`^\[${operation}\] needed \d+ bytes of GPU memory, free are \d+ of \d+$`),
    ),
  });

const zeros = (shape: number[]) => zerosWithStorage(shape, 'float32');

describeOnCuda('a device without memory', () => {
  // Requests more than any device has, so no other process runs out of memory.
  const LONG = 2 ** 20;

  test('fails a thousand times in a kernel that has outputs but no scratch memory', () => {
    const [tokens, topk, experts, hidden, intermediate] = [16, 2, 4, 8, 2 ** 31 - 8];
    const x = zeros([tokens, hidden]);
    const gateUpWeights = zeros([experts, 16, hidden]); // never read
    const downWeights = zeros([experts, hidden, 8]);
    const topkWeights = zeros([tokens, topk]);
    const topkIds = tf.zeros([tokens, topk], 'int32');
    const multiply = () =>
      cuda().runKernel(() => {
        const [output] = [0, 1].map(() => cuda().makeOutput({ shape: [tokens, hidden], dtype: 'float32' }));
        cuda().run(
          fusedMoe,
          { x, gateUpWeights, downWeights, topkWeights, topkIds, output },
          { tokens, topk, experts, hidden, intermediate, activation: MoeActivation.silu },
        );
      });
    expect(multiply).toThrow(outOfMemory('fusedMoe')); // also uploads pending inputs
    const before = alive();
    for (let i = 0; i < 1000; i++) expect(multiply).toThrow(outOfMemory('fusedMoe'));
    expect(alive()).toEqual(before);
    expect([...tf.tensor1d([1, 2]).add(1).dataSync()]).toEqual([2, 3]);
  });

  test('fails many times between the allocations of a kernel, and leaks nothing', () => {
    const column = zerosWithStorage([LONG, 1], 'float16'); // converted first
    const row = zeros([1, LONG]);
    const before = alive();
    const times = cuda().isEmulated ? 30 : 1000;
    for (let i = 0; i < times; i++) expect(() => tf.matMul(column, row)).toThrow(outOfMemory('cuda'));
    expect(alive()).toEqual(before);
    expect([...tf.tensor1d([1, 2]).add(1).dataSync()]).toEqual([2, 3]);
  });

  test('an input that tfjs moved here for an op that fails is kept', async () => {
    await tf.setBackend('cpu');
    const column = tf.ones([LONG, 1]);
    await tf.setBackend('cuda');
    expect(() => tf.matMul(column, tf.ones([1, LONG]))).toThrow(outOfMemory('cuda'));
    expect(column.sum().dataSync()[0]).toBe(LONG);
  });

  test('a shape that is too large gives no tensor', () => {
    const before = alive();
    // The third has 2^64 bytes.
    for (const shape of [[2 ** 45], [2 ** 51], [2 ** 31, 2 ** 31], [2 ** 32, 2 ** 32], [2 ** 52, 2 ** 52]]) {
      expect(() => zerosWithStorage(shape, 'float32')).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
      );
      expect(() => zerosWithStorage(shape, 'float32', { memory: 'host' })).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
      );
    }
    expect(alive()).toEqual(before);
  });
});

describeOnCuda('a kernel that throws', () => {
  test('disposes tensors made by inner kernels, but not its inputs', async () => {
    await tf.setBackend('cpu');
    const x = tf.tensor1d([1, 2]);
    await tf.setBackend('cuda');
    const before = alive();
    const kernel = () =>
      cuda().runKernel(() => {
        cuda().pointer(x); // uploads it
        cuda().runKernel(() => cuda().makeOutput({ shape: [1000], dtype: 'float32' }));
        cuda().zeros([1000], 'float16', 'device');
        throw new RangeError('no');
      });
    expect(kernel).toThrow('no');
    expect(cuda().memory().numBytesInGPU - before.numBytesInGPU).toBe(8);
    expect([...x.dataSync()]).toEqual([1, 2]);
  });
});

describeOnCuda('a backend that was removed', () => {
  let gone: CudaBackend;
  let name: string;
  const disposed = expect.objectContaining({
    code: 'ERR_DISPOSED',
    message: '[cuda:0] backend: expected a live one, received a disposed one',
  });

  beforeEach(async () => {
    name = registerCudaDevice(0);
    await tf.setBackend(name);
    gone = cuda();
  });
  afterEach(async () => {
    await tf.setBackend('cuda');
  });

  test('has released its memory, and use of it throws', async () => {
    const x = castStorage(tf.ones([1000]), 'float16');
    const host = zerosWithStorage([10], 'float32', { memory: 'host' });
    const read = x.data();
    await tf.setBackend('cuda');
    tf.removeBackend(name);
    expect(gone.memory()).toMatchObject({ numBytesInGPU: 0, numBytesPinned: 0, numBytesReserved: 0 });
    expect((await read)[999]).toBe(1); // was in progress
    expect(() => x.dataSync()).toThrow(disposed);
    await expect(x.data()).rejects.toEqual(disposed);
    await expect(host.data()).rejects.toEqual(disposed);
    expect(() => gone.pointer(x)).toThrow(disposed);
    expect(() => gone.makeOutput({ shape: [1], dtype: 'float32' })).toThrow(disposed);
    expect(() => gone.zeros([1], 'float32', 'host')).toThrow(disposed);
    tf.dispose([x, host]);
  });

  test('can be registered again', async () => {
    await tf.ones([1000]).add(1).data();
    expect(gone.memory().numBytesStaging).toBeGreaterThan(0);
    await tf.setBackend('cuda');
    tf.removeBackend(name);
    expect(gone.memory().numBytesStaging).toBe(0);
    expect(registerCudaDevice(0)).toBe(name);
    await tf.setBackend(name);
    expect(cuda()).not.toBe(gone);
    expect([...tf.tensor1d([1]).add(1).dataSync()]).toEqual([2]);
    expect(rmsNorm(tf.ones([1, 8]), tf.ones([8]), { epsilon: 1e-6 }).dataSync()[0]).toBeCloseTo(1, 5);
  });
});

describeOnCuda('an index that no GPU has', () => {
  test.each([2 ** 31, 2 ** 32, 2 ** 52])('%p', async (index) => {
    await expect(tf.setBackend(registerCudaDevice(index))).rejects.toMatchObject({ code: 'ERR_NO_DEVICE' });
    await tf.setBackend('cuda');
  });
});

/** Runs in a separate process: after such a fault, no kernel runs in it any more. */
function afterFault(environment: Record<string, string>): { code: string; message: string }[] {
  const variant = isEmulated ? 'emulator' : 'cuda';
  const addon = fileURLToPath(new URL(`../build/${variant}/Release/attention_cuda.node`, import.meta.url));
  const program = `
    const { NativeContext, operations } = require(${JSON.stringify(addon)});
    const makeError = (code, message) => Object.assign(new Error(message), { code });
    const context = new NativeContext(makeError, { ordinal: 0 });
    const output = context.allocate(4096);
    context.fillBytes(output, 0, 4096);
    /** Runs an operation of two tensors, both at \`output\`, with int64 parameters by their offsets. */
    const run = (name, params) => {
      const index = operations.findIndex((operation) => operation.name === name);
      const block = new DataView(new ArrayBuffer(operations[index].byteLength));
      for (const i of [0, 1]) block.setBigUint64(16 * i, BigInt(output), true);
      for (const [offset, value] of params) block.setBigInt64(32 + offset, value, true);
      context.run(index, block.buffer);
    };
    const errors = [];
    const attempt = async (body) => {
      try { await body(); } catch ({ code, message }) { errors.push({ code, message }); }
    };
    (async () => {
      await attempt(() => {
        run('copy', [[0, 1n], [8, 1024n], [56, 2n], [104, 1n], [152, 2n ** 40n]]); // reads an invalid address
        return context.downloadAsync(output, 4096);
      });
      await attempt(() => context.wait());
      await attempt(() => run('softmax', [[0, 1n], [8, 1024n]])); // not the culprit
      process.stdout.write(JSON.stringify(errors));
    })();`;
  const { stdout } = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return JSON.parse(stdout);
}

describeOnCuda('a fault of a kernel', () => {
  test('is reported with the operations that were launched', () => {
    const [first, ...later] = afterFault({ ATTENTION_CUDA_SYNC: '0' });
    expect(first).toMatchObject({ code: 'ERR_DEVICE', message: expect.stringContaining('copy') });
    if (isEmulated) return; // it detects the fault at once, and stays usable
    const suspects = /; launched last: (.*, )?copy.*\(ATTENTION_CUDA_SYNC=1 finds the one that failed\)$/;
    expect(first.message).toMatch(suspects);
    expect(later).toHaveLength(2);
    for (const { code, message } of later) {
      expect(code).toBe('ERR_DEVICE');
      expect(message).toMatch(suspects);
    }
  });

  test('is attributed to its operation with ATTENTION_CUDA_SYNC=1', () => {
    const [{ code, message }] = afterFault({ ATTENTION_CUDA_SYNC: '1' });
    expect(code).toBe('ERR_DEVICE');
    expect(message).toMatch(/^\[copy\] /);
    expect(message).not.toContain('launched last');
  });
});
