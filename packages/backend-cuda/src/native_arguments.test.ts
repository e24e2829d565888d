import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { beforeAll, expect, test } from '@jest/globals';
import type { NativeContext } from './addon.ts';
import { describeOnCuda, isEmulated } from './testing/cuda.ts';

const variant = isEmulated ? 'emulator' : 'cuda';
const addon = fileURLToPath(new URL(`../build/${variant}/attention_cuda.node`, import.meta.url));

const INT32 = 3; // of the element types
const given = (value: unknown) => value as never;
const failing = (code: AttentionErrorCode, message: string) => expect.objectContaining({ code, message });

/** Arguments of a product: axes of its batch, all empty, and rows. */
function product(axes: number, rows: number): unknown[] {
  const batch = Array.from({ length: 3 }, () => new Float64Array(axes));
  return [16, 0, 16, 0, 0, 0, 16, 0, ...batch, rows, 1, 1, false, false, false, 0, 0, false, false];
}

// The addon trusts the package that it belongs to with addresses, and with nothing else.
describeOnCuda('what the addon cannot use', () => {
  let context: NativeContext & Record<string, (...values: unknown[]) => unknown>;
  beforeAll(() => {
    const { NativeContext: Context } = createRequire(import.meta.url)(addon);
    context = new Context(
      (code: AttentionErrorCode, message: string) => new AttentionError(code, message),
      0,
    );
  });

  test.each([Number.NaN, -1, 0.5])('a size of %p', (size) => {
    const error = failing('ERR_RANGE', '[cuda] byteLength: expected an integer of at least 0');
    expect(() => context.allocate(size)).toThrow(error);
    expect(() => context.allocatePinned(size)).toThrow(error);
    expect(() => context.downloadAsync(0, size)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  });

  test.each([2 ** 53, 2 ** 62, 2 ** 64, 2 ** 70, Number.POSITIVE_INFINITY])('a size of %p', (size) => {
    const error = expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' });
    expect(() => context.allocate(size)).toThrow(error);
    expect(() => context.allocatePinned(size)).toThrow(error);
    expect(() => context.downloadAsync(0, size)).toThrow(error);
  });

  test.each(['1', null, undefined, {}, 10n])('a value of another type: %p', (value) => {
    const error = expect.objectContaining({ code: 'ERR_DTYPE' });
    expect(() => context.allocate(given(value))).toThrow(error);
    expect(() => context.upload(0, given(value))).toThrow(error);
    expect(() => context.download(0, given(new Float64Array(1)))).toThrow(error);
    expect(() => context.free(given(value))).toThrow(error);
    expect(() => context.loadModule(given(value))).toThrow(error);
    expect(() => context.milliseconds(given(value))).toThrow(error);
    expect(() => context.fill(0, 0, value)).toThrow(error);
  });

  test('one of its objects for another', () => {
    const stopwatch = context.startStopwatch();
    const launch = (module: unknown, sizes: Float64Array, offsets: Float64Array) =>
      context.launchModule(given(module), 'f', sizes, new Uint8Array(8), offsets);
    expect(() => launch(stopwatch, Float64Array.of(1, 1, 1, 1, 1, 1, 0), Float64Array.of(0))).toThrow(
      failing('ERR_DTYPE', '[f] module: expected another kind of object of this addon'),
    );
    expect(() => launch({}, new Float64Array(7), new Float64Array(0))).toThrow(
      failing('ERR_DTYPE', '[f] module: expected what this addon gave out'),
    );
  });

  test('a binary that was cut off', () => {
    const [elf, fatBinary] = [0x464c457f, 0xba55ed50];
    for (const size of [4, 63, 64, 200]) {
      for (const magic of [elf, fatBinary]) {
        const image = new Uint8Array(size);
        const view = new DataView(image.buffer);
        view.setUint32(0, magic, true);
        if (size >= 64) {
          view.setUint16(6, 16, true); // a fat binary's header, and what follows it
          view.setUint32(8, 300, true);
          view.setUint32(40, 150, true); // an ELF's table of two sections
          view.setUint16(58, 64, true);
          view.setUint16(60, 2, true);
        }
        expect(() => context.loadModule(image)).toThrow(
          failing('ERR_DEVICE', '[loadModule] loading the module: expected a whole binary, received a part'),
        );
      }
    }
  });

  test('a method on another object', () => {
    for (const object of [{}, context.startStopwatch(), undefined]) {
      expect(() => context.allocate.call(given(object), 1)).toThrow(/./);
    }
  });

  test('numbers of an operation that are none', () => {
    const address = context.allocate(16);
    const rows = [Number.NaN, 0.5, 2 ** 60, Number.POSITIVE_INFINITY];
    for (const count of rows) {
      expect(() => context.softmax(address, 0, address, 0, count, 4)).toThrow(
        failing('ERR_DTYPE', '[softmax] argument 4: expected an integer'),
      );
    }
    for (const [from, type] of [
      [-1, 0],
      [address, 9],
      [address, -1],
    ]) {
      expect(() => context.softmax(from, type, address, 0, 1, 4)).toThrow(
        failing('ERR_DTYPE', '[softmax] argument 1: expected an address and an element type'),
      );
    }
    expect(() => context.softmax(address, 0, address, 0, 1)).toThrow(
      failing('ERR_DTYPE', '[softmax] argument 5: expected a value, received none'),
    );
    context.free(address);
    context.free(address); // what is not there any more is not freed again
  });

  test('memory that there is not, before it has asked for what is kept for reuse', () => {
    if (!isEmulated) return; // no test is to fill a GPU
    const kept: number[] = [];
    const fill = () => kept.push(context.allocate(context.memory().deviceFree));
    let asked = 0;
    context.releaseSpare = () => {
      asked++;
      for (const address of kept.splice(0)) context.free(address);
    };
    const [indices, updates, output] = [400, 400, 8].map((size) => {
      const address = context.allocate(size);
      context.fillBytes(address, 0, size);
      return address;
    });
    const scatter = () =>
      context.scatter(0, 0, indices, INT32, updates, 0, output, 0, Float64Array.of(1), 100, 1, 2);
    expect(context.memoryUse[2]).toBe(0);
    scatter();
    expect([...context.memoryUse]).toEqual([0, 0, 128 * 8]); // keys of the updates
    fill();
    scatter();
    expect(asked).toBe(1);
    fill();
    context.free(context.allocate(8));
    expect(asked).toBe(2);
    fill();
    expect(() => context.allocate(2 ** 60)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
    expect(asked).toBe(2); // no device has as much
    context.releaseSpare = () => {
      throw new AttentionError('ERR_DEVICE', 'a fault');
    };
    expect(scatter).toThrow(failing('ERR_DEVICE', 'a fault'));
    context.releaseSpare = undefined;
    expect(scatter).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
    for (const address of [...kept, indices, updates, output]) context.free(address);
    expect([...context.memoryUse]).toEqual([0, 0, 128 * 8]);
  });

  // Counts of blocks that are 1 where 32 bits hold them. No launch means that no memory is used.
  test.each<[string, unknown[]]>([
    ['rmsNorm', [16, 0, 16, 0, 0, 0, 16, 0, 0, 0, 2 ** 34 + 1, 8, 1e-5, false]],
    ['rmsNorm', [16, 0, 16, 0, 0, 0, 16, 0, 0, 0, 2 ** 32 + 1, 2 ** 16, 1e-5, false]],
    ['mergeAttentionStates', [16, 0, 16, 0, 16, 0, 0, 0, 2, 2 ** 34 + 1, 1, 8]],
    ['castStorage', [16, 0, 16, 1, 2 ** 32 * 8192 + 1]],
    ['siluAndMul', [16, 0, 16, 0, 2 ** 44 + 1, 8]],
    ['softmax', [16, 0, 16, 0, 2 ** 35 + 1, 8]],
    ['fill', [16, 0, 2 ** 43 + 1, 0, 0, 0, 0]],
    ['topK', [16, 0, 16, 0, 16, 0, 2 ** 32 + 1, 8, 2]],
  ])('grids that no launch has: of %s', (name, args) => {
    expect(() => context[name](...args)).toThrow(
      failing(
        'ERR_RANGE',
        expect.stringMatching(
          `^\\[${name}\\] grid: expected at most 2147483647 x 65535 x 65535 blocks, received `,
        ) as never,
      ),
    );
  });

  test('products whose sizes their kernels cannot count', () => {
    expect(() => context.matmul(...product(5, 1))).toThrow(
      failing('ERR_UNSUPPORTED', '[matmul] batch: expected at most 4 axes, received 5'),
    );
    expect(() => context.matmul(...product(0, 2 ** 32 + 1))).toThrow(
      failing(
        'ERR_UNSUPPORTED',
        '[matmul] expected rows, columns, depth and batch below 2^31 - 4096, received 4294967297, 1, 1 and 1',
      ),
    );
  });

  test('a stopwatch that was not stopped', () => {
    expect(() => context.milliseconds(context.startStopwatch())).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    );
    expect(context.allocate(0)).toBe(0); // the context goes on
  });
});
