import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { ElementType } from '@attention-js/backend-common';
import { beforeAll, expect, test } from '@jest/globals';
import { openContext } from './addon.ts';
import type { NativeContext } from './addon.ts';
import { operations } from './operation.ts';
import type { Operation } from './operation.ts';
import { describeOnCuda, isEmulated } from './testing/cuda.ts';

const given = (value: unknown) => value as never;
const failing = (code: AttentionErrorCode, message: string) => expect.objectContaining({ code, message });

const CACHE = { tokens: 1, numBlocks: 1, vllmLayout: false };
const NORM = { rows: 1, width: 8, epsilon: 1e-5, addUnitOffset: false };
const PRODUCT = {
  batchRank: 0,
  batchShape: [],
  aBatchStrides: [],
  bBatchStrides: [],
  rows: 1,
  columns: 1,
  depth: 1,
  transposeA: false,
  transposeB: false,
  biasPerColumn: false,
  activation: 0,
  slope: 0,
  allowTf32: false,
  allowCublaslt: false,
};
const ATTENTION = {
  tokens: 1,
  sequences: 1,
  heads: 1,
  kvHeads: 1,
  headSize: 8,
  scale: 1,
  softcap: 0,
  window: 0,
  causal: true,
  vllmLayout: false,
  numBlocks: 1,
  blockSize: 8,
  maxBlocks: 1,
  keys: 0,
  maskHeads: 0,
  maskRows: 0,
  maskKeys: 0,
  maxQueryLength: 1,
  maxContextLength: 1,
};
/** Query, keys, values and output; no other tensors. */
const PAGED = [16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0];

/** Finds an operation by name. */
const find = (name: string): Operation => operations().find((each) => each.name === name)!;

describeOnCuda('invalid arguments of the addon', () => {
  let context: NativeContext;
  let allocation: number;
  beforeAll(() => {
    context = openContext({ ordinal: 0 });
    allocation = context.allocate(64);
  });

  /** Runs an operation on float32 tensors, all in one small allocation; 0 stands for a tensor that is left out. */
  function run(name: string, tensors: readonly number[], params: object): void {
    const operation = find(name);
    expect(tensors).toHaveLength(operation.tensorNames.length);
    for (const [i, tensor] of tensors.entries()) operation.packTensor(i, tensor === 0 ? 0 : allocation, 0);
    operation.packParams(params as Record<string, number>);
    context.run(operation.index, operation.block);
  }

  test.each([Number.NaN, -1, 0.5])('a size of %p', (size) => {
    const error = failing(
      'ERR_RANGE',
      '[cuda] byteLength: expected an integer from 0 to 9223372036854775808',
    );
    expect(() => context.allocate(size)).toThrow(error);
    expect(() => context.allocatePinned(size)).toThrow(error);
    expect(() => context.downloadAsync(0, size)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  });

  test.each([2 ** 53, 2 ** 62, 2 ** 64, 2 ** 70, Number.POSITIVE_INFINITY])('a size of %p', (size) => {
    const error = expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' });
    expect(() => context.allocate(size)).toThrow(error);
    expect(() => context.allocatePinned(size)).toThrow(error);
    expect(() => context.downloadAsync(allocation, size)).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
  });

  test('memory that is not allocated', () => {
    const error = failing('ERR_RANGE', '[siluAndMul] tensor: expected where an allocation starts');
    const silu = find('siluAndMul');
    const runOn = (x: number, output: number): void => {
      silu.packTensor(0, x, 0);
      silu.packTensor(1, output, 0);
      silu.packParams({ rows: 1, width: 8 });
      context.run(silu.index, silu.block);
    };
    expect(() => runOn(allocation, allocation)).not.toThrow();
    for (const address of [16, allocation + 16, 2 ** 47]) {
      expect(() => runOn(address, allocation)).toThrow(error);
      expect(() => runOn(allocation, address)).toThrow(error);
    }
    const freed = context.allocate(64);
    context.free(freed);
    expect(() => runOn(freed, allocation)).toThrow(error);
    const upload = '[upload] address: expected ';
    expect(() => context.upload(freed, new Uint8Array(1))).toThrow(
      failing('ERR_RANGE', `${upload}where an allocation starts`),
    );
    expect(() => context.upload(allocation, new Uint8Array(65))).toThrow(
      failing('ERR_RANGE', `${upload}an allocation of at least 65 bytes, received one of 64`),
    );
    const outside = expect.objectContaining({ code: 'ERR_RANGE' });
    expect(() => context.fillBytes(allocation, 0, 65)).toThrow(outside);
    expect(() => context.download(allocation, new Uint8Array(65))).toThrow(outside);
    expect(() => context.downloadAsync(allocation, 65)).toThrow(outside);
    expect(() => context.downloadAsync(0, 1)).toThrow(outside);
  });

  test.each(['1', null, undefined, {}, 10n])('a value of another type: %p', (value) => {
    const error = expect.objectContaining({ code: 'ERR_DTYPE' });
    expect(() => context.allocate(given(value))).toThrow(error);
    expect(() => context.upload(0, given(value))).toThrow(error);
    expect(() => context.download(0, given(new Float64Array(1)))).toThrow(error);
    expect(() => context.free(given(value))).toThrow(error);
    expect(() => context.loadModule(given(value))).toThrow(error);
    expect(() => context.milliseconds(given(value))).toThrow(error);
    expect(() => context.fillBytes(0, 0, given(value))).toThrow(error);
  });

  test('an object of the wrong kind', () => {
    const stopwatch = context.startStopwatch();
    const launch = (module: unknown, sizes: Float64Array, offsets: Float64Array) =>
      context.launchModule(given(module), 'f', sizes, new Uint8Array(8), offsets);
    expect(() => launch(stopwatch, Float64Array.of(1, 1, 1, 1, 1, 1, 0), Float64Array.of(0))).toThrow(
      failing('ERR_DTYPE', '[f] module: expected another kind of handle'),
    );
    expect(() => launch({}, new Float64Array(7), new Float64Array(0))).toThrow(
      failing('ERR_DTYPE', '[f] module: expected a handle of this addon'),
    );
  });

  test('a truncated binary', () => {
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

  test('an operation that does not exist', () => {
    for (const index of [-1, 1000, '1', undefined]) {
      expect(() => context.run(given(index), new ArrayBuffer(48))).toThrow(
        failing('ERR_RANGE', '[cuda] operation: expected an index into `operations`'),
      );
    }
  });

  test('a block of the wrong size', () => {
    const { index, block } = find('softmax');
    for (const value of [undefined, 1, {}, new Uint8Array(48), new SharedArrayBuffer(48)]) {
      expect(() => context.run(index, given(value))).toThrow(
        failing('ERR_DTYPE', '[softmax] params: expected an ArrayBuffer'),
      );
    }
    const detached = new ArrayBuffer(48);
    structuredClone(detached, { transfer: [detached] });
    for (const wrong of [new ArrayBuffer(0), new ArrayBuffer(47), new ArrayBuffer(64), detached]) {
      expect(() => context.run(index, wrong)).toThrow(
        failing('ERR_RANGE', `[softmax] params: expected 48 bytes, received ${wrong.byteLength}`),
      );
    }
    expect(block.byteLength).toBe(48);
  });

  test('element types that a tensor cannot have', () => {
    const operation = find('oneHot');
    operation.packParams({ count: 1, depth: 1, on: 1, off: 0 });
    const runWith = (indices: number, output: number): void => {
      operation.packTensor(0, 16, indices);
      operation.packTensor(1, 16, output);
      context.run(operation.index, operation.block);
    };
    expect(() => runWith(ElementType.float32, ElementType.float32)).toThrow(
      failing('ERR_DTYPE', '[oneHot] indices: expected element type 3, received 0'),
    );
    for (const type of [5, 2 ** 31, 2 ** 32 - 1]) {
      expect(() => runWith(ElementType.int32, type)).toThrow(
        failing(
          'ERR_DTYPE',
          `[oneHot] output: expected element type 0 to 4, received ${Math.trunc(type) | 0}`,
        ),
      );
    }
  });

  // The public `CudaBackend.run` passes these on: none may crash the process.
  test.each<[string, number[], object, string]>([
    ['softmax', [16, 16], { rows: -1, length: 4 }, 'rows: expected at least 0, received -1'],
    ['select', [16, 16, 16, 16], { size: 4, rowLength: 0 }, 'rowLength: expected at least 1, received 0'],
    [
      'scatter',
      [0, 0, 16, 16],
      { indexRank: 1, strides: [1], count: -1, sliceLength: 64, slices: 4 },
      'count: expected at least 0, received -1',
    ],
    [
      'scatter',
      [0, 0, 16, 16],
      { indexRank: 7, strides: [1], count: 1, sliceLength: 64, slices: 4 },
      'expected at most 6 axes, received 7',
    ],
    [
      'gather',
      [16, 0, 16],
      { indexRank: -1, strides: [], batch: 1, outer: 1, axisLength: 1, indexCount: 1, sliceLength: 1 },
      'indexRank: expected at least 0, received -1',
    ],
    ['topK', [16, 16, 0], { rows: 1, length: 4, k: 5 }, 'k: expected 1 to 4, received 5'],
    ['sampleTokens', [16, 0, 0], { rows: 1, vocabulary: 0 }, 'vocabulary: expected at least 1, received 0'],
    [
      'binary',
      [16, 16, 16],
      { operation: 0, rank: 2, shape: [-1, -4], aStrides: [], bStrides: [] },
      'expected axes of at least 0 and less than 2^63 elements, received an axis of -1',
    ],
    [
      'binary',
      [16, 16, 16],
      { operation: 0, rank: 2, shape: [2 ** 40, 2 ** 40], aStrides: [], bStrides: [] },
      'expected axes of at least 0 and less than 2^63 elements, received an axis of 1099511627776',
    ],
    [
      'copy',
      [16, 16],
      { rank: 7, shape: [1], xStrides: [], outputStrides: [], xOffset: 0, outputOffset: 0 },
      'expected at most 6 axes, received 7',
    ],
    [
      'rotaryEmbedding',
      [16, 16, 0, 16, 16, 16, 16],
      { tokens: 1, heads: 1, kvHeads: 1, headSize: 0, rotaryDim: 0, maxPosition: 1, interleaved: false },
      'headSize: expected at least 1, received 0',
    ],
    [
      'rotaryEmbedding',
      [16, 16, 0, 16, 16, 16, 16],
      { tokens: 1, heads: 1, kvHeads: 1, headSize: 8, rotaryDim: 16, maxPosition: 1, interleaved: false },
      'rotaryDim: expected 0 to 8, received 16',
    ],
    [
      'reshapeAndCache',
      [16, 16, 16, 16, 0],
      { ...CACHE, kvHeads: 1, headSize: 8, blockSize: 0 },
      'blockSize: expected at least 1, received 0',
    ],
    [
      'reshapeAndCache',
      [16, 16, 16, 16, 0],
      { ...CACHE, kvHeads: 0, headSize: 8, blockSize: 8 },
      'kvHeads * headSize, in pieces of 16 bytes: expected 1 to 2147483647, received 0',
    ],
    [
      'reshapeAndCache',
      [16, 16, 16, 16, 0],
      { ...CACHE, kvHeads: 2 ** 17, headSize: 2 ** 17, blockSize: 8 },
      'kvHeads * headSize, in pieces of 16 bytes: expected 1 to 2147483647, received 4294967296',
    ],
    ['pagedAttention', PAGED, { ...ATTENTION, kvHeads: 0 }, 'kvHeads: expected at least 1, received 0'],
    ['pagedAttention', PAGED, { ...ATTENTION, heads: 0 }, 'heads: expected at least 1, received 0'],
    [
      'pagedAttention',
      PAGED,
      { ...ATTENTION, heads: 3, kvHeads: 2 },
      'heads: expected a multiple of kvHeads 2, received 3',
    ],
    ['pagedAttention', PAGED, { ...ATTENTION, headSize: 0 }, 'headSize: expected at least 1, received 0'],
    ['pagedAttention', PAGED, { ...ATTENTION, blockSize: 0 }, 'blockSize: expected at least 1, received 0'],
    ['varlenAttention', PAGED, { ...ATTENTION, kvHeads: 0 }, 'kvHeads: expected at least 1, received 0'],
    [
      'moeGemm',
      [16, 16, 16, 0, 0, 0],
      { pairs: 1, experts: 1, pairsPerRow: 0, width: 8, depth: 8 },
      'pairsPerRow: expected at least 1, received 0',
    ],
    [
      'mergeAttentionStates',
      [16, 0, 0, 16, 0],
      { parts: 1, rows: 1, heads: 0, headSize: 8 },
      'heads: expected at least 1, received 0',
    ],
    ['matmul', [16, 16, 0, 16], { ...PRODUCT, batchRank: 5 }, 'batchRank: expected 0 to 4, received 5'],
  ])('sizes that no kernel takes: of %s', (name, addresses, params, message) => {
    expect(() => run(name, addresses, params)).toThrow(failing('ERR_RANGE', `[${name}] ${message}`));
  });

  test('sizes of 0 launch nothing', () => {
    const params = { operation: 0, rank: 1, shape: [0], aStrides: [1], bStrides: [1] };
    expect(() => run('binary', [0, 0, 0], params)).not.toThrow();
    expect(() => run('rmsNorm', [0, 0, 0, 0, 0], { ...NORM, rows: 0 })).not.toThrow();
    expect(() => run('rmsNorm', [0, 0, 0, 0, 0], { ...NORM, width: 0 })).not.toThrow();
  });

  test('an architecture that the device does not support', () => {
    expect(() => openContext({ ordinal: 0, architecture: 200 })).toThrow(
      failing(
        'ERR_ARCH',
        `[cuda] architecture: expected at most the device's ${context.architecture}, received 200`,
      ),
    );
    expect(openContext({ ordinal: 0, architecture: 80 }).architecture).toBe(80);
    expect(() => openContext({ ordinal: 0, splits: -1 })).toThrow(
      failing('ERR_RANGE', '[cuda] splits: expected an integer from 0 to 9007199254740992'),
    );
    expect(() => openContext({ ordinal: 0, splits: given('2') })).toThrow(
      failing('ERR_DTYPE', '[cuda] splits: expected a number'),
    );
  });

  test('its memory counters cannot be transferred', () => {
    const { memoryUse } = context;
    try {
      structuredClone(memoryUse, { transfer: [memoryUse.buffer as ArrayBuffer] });
    } catch {
      // Node 22 throws; Node 20 copies
    }
    expect(memoryUse).toHaveLength(3); // otherwise the addon would write to freed memory
  });

  test('too little memory, after it has asked for what is kept for reuse', () => {
    if (!isEmulated) return; // no test may fill a GPU
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
    const operation = find('scatter');
    const scatter = (): void => {
      operation.packTensor(0, 0, 0);
      operation.packTensor(1, indices, ElementType.int32);
      operation.packTensor(2, updates, 0);
      operation.packTensor(3, output, 0);
      operation.packParams({ indexRank: 1, strides: [1], count: 100, sliceLength: 1, slices: 2 });
      context.run(operation.index, operation.block);
    };
    expect(context.memoryUse[2]).toBe(0);
    scatter();
    expect([...context.memoryUse]).toEqual([0, 0, 128 * 8]); // sort keys of the updates
    fill();
    scatter();
    expect(asked).toBe(1);
    fill();
    context.free(context.allocate(8));
    expect(asked).toBe(2);
    fill();
    expect(() => context.allocate(2 ** 60)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
    expect(asked).toBe(2); // more than any device has
    context.releaseSpare = () => {
      throw new AttentionError('ERR_DEVICE', 'a fault');
    };
    expect(scatter).toThrow(failing('ERR_DEVICE', 'a fault'));
    context.releaseSpare = undefined;
    expect(scatter).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
    for (const address of [...kept, indices, updates, output]) context.free(address);
    expect([...context.memoryUse]).toEqual([0, 0, 128 * 8]);
  });

  // Block counts that truncate to 1 in 32 bits. Unused memory shows that nothing was launched.
  test.each<[string, number[], object]>([
    ['rmsNorm', [16, 16, 0, 16, 0], { ...NORM, rows: 2 ** 34 + 1, width: 8 }],
    ['rmsNorm', [16, 16, 0, 16, 0], { ...NORM, rows: 2 ** 32 + 1, width: 2 ** 16 }],
    ['mergeAttentionStates', [16, 16, 0, 16, 0], { parts: 2, rows: 2 ** 34 + 1, heads: 1, headSize: 8 }],
    ['castStorage', [16, 16], { size: 2 ** 32 * 8192 + 1 }],
    ['siluAndMul', [16, 16], { rows: 2 ** 44 + 1, width: 8 }],
    ['softmax', [16, 16], { rows: 2 ** 35 + 1, length: 8 }],
    ['fill', [16], { size: 2 ** 43 + 1, start: 0, step: 0, intStart: 0, intStep: 0 }],
    ['topK', [16, 16, 0], { rows: 2 ** 32 + 1, length: 8, k: 2 }],
  ])('grids that no launch has: of %s', (name, addresses, params) => {
    expect(() => run(name, addresses, params)).toThrow(
      failing(
        'ERR_RANGE',
        expect.stringMatching(
          `^\\[${name}\\] grid: expected at most 2147483647 x 65535 x 65535 blocks, received `,
        ) as never,
      ),
    );
  });

  test("products too large for the kernels' indices", () => {
    expect(() => run('matmul', [16, 16, 0, 16], { ...PRODUCT, rows: 2 ** 32 + 1 })).toThrow(
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
    expect(context.allocate(0)).toBe(0); // the context stays usable
  });
});
