import * as tf from '@tensorflow/tfjs-core';
import './testing/backends.ts';
import { describe as group, expect, test } from '@jest/globals';
import { Checks, countOf, describe } from './checks.ts';
import { tensorFromStorage } from './storage/storage_functions.ts';
import { expectAttentionError } from './testing/compare.ts';

const checks = new Checks('op');
const floats = tf.zeros([2, 3]);
const halves = tensorFromStorage(new Uint8Array(4), [2], 'float16');

test.each([
  [[7, 30, 128], '[7, 30, 128]'],
  [[1, [2, 'a']], '[1, [2, "a"]]'],
  ['text', '"text"'],
  [Number.NaN, 'NaN'],
  [undefined, 'undefined'],
  [null, 'null'],
  [new Int32Array(2), 'Int32Array'],
  [{}, 'Object'],
  [Object.create(null), 'object'],
  [() => 1, 'a function'],
  [5n, '5n'],
  [[[[[1]]]], '[[[[…]]]]'],
  [Array.from({ length: 9 }, (_, i) => i), '[0, 1, 2, 3, 4, 5, 6, 7, …]'],
  ['a'.repeat(101), `"${'a'.repeat(100)}…"`],
  [floats, 'float32 tensor of shape [2, 3]'],
])('describes %p', (value, text) => expect(describe(value)).toBe(text));

test('formats counts', () => {
  expect([0, 1, 2].map((count) => countOf(count, 'token'))).toEqual(['0 tokens', '1 token', '2 tokens']);
});

test('describes an array that contains itself', () => {
  const endless: unknown[] = [1];
  endless.push(endless);
  expect(describe(endless)).toBe('[1, [1, [1, […]]]]');
});

group('accepts', () => {
  const accepted: Record<string, () => void> = {
    expect: () => checks.expect(true, 'ERR_RANGE', 'x', 'y', 'z'),
    tensor: () => checks.tensor('x', floats),
    object: () => checks.object('x', {}),
    keys: () => checks.keys('x', { b: 1 }, ['a', 'b']),
    notRecorded: () => checks.notRecorded('x'),
    'shape of numbers': () => checks.shape('x', floats, [2, 3]),
    'shape of names': () => checks.shape('x', floats, ['rows', 3]),
    expectShape: () => checks.expectShape(true, 'x', floats, 'y'),
    dtype: () => checks.dtype('x', floats, 'int32', 'float32'),
    storage: () => checks.storage('x', halves, 'float32', 'float16'),
    sameStorage: () => checks.sameStorage('x', halves, 'y', halves),
    'integer at both ends': () => [1, 5].forEach((value) => checks.integer('x', value, 1, 5)),
    finite: () => [-3.4e38, 0, 1e-45].forEach((value) => checks.finite('x', value)),
    'finite above': () => checks.finite('x', 1e-45, 0),
    'a hint': () => [undefined, 0, 2 ** 40].forEach((value) => checks.hint('x', value)),
    'no keys': () => checks.keys('x', {}, []),
    oneOf: () => checks.oneOf('x', 'b', ['a', 'b']),
  };
  test.each(Object.entries(accepted))('%s', (_name, call) => expect(call).not.toThrow());
});

group('rejects', () => {
  const gone = tf.zeros([1]);
  gone.dispose();
  type Rejection = [string, () => void, Parameters<typeof expectAttentionError>[1], string];
  const rejected: Rejection[] = [
    ['expect', () => checks.expect(false, 'ERR_RANGE', 'x', 'y', 3), 'ERR_RANGE', 'expected y, received 3'],
    ['no tensor', () => checks.tensor('x', [1]), 'ERR_DTYPE', 'expected a Tensor, received [1]'],
    ['an array', () => checks.object('x', []), 'ERR_DTYPE', 'expected an object, received []'],
    ...[1.5, NaN, -1, Infinity].map((value): Rejection => [
      `the hint ${value}`,
      () => checks.hint('x', value),
      'ERR_RANGE',
      `expected an integer >= 0, received ${value}`,
    ]),
    [
      'what only looks like a tensor',
      () => checks.tensor('x', { dataId: {}, shape: [], data() {}, dataSync() {}, throwIfDisposed() {} }),
      'ERR_DTYPE',
      'expected a Tensor, received one whose data tfjs does not hold',
    ],
    ['no object', () => checks.object('x', null), 'ERR_DTYPE', 'expected an object, received null'],
    [
      'an unknown name',
      () => checks.keys('x', { a: 1, c: 2 }, ['a', 'b']),
      'ERR_UNSUPPORTED',
      'expected only a, b, received "c"',
    ],
    ['no names', () => checks.keys('x', null as never, []), 'ERR_DTYPE', 'expected an object, received null'],
    ['no value', () => checks.tensor('x', undefined), 'ERR_DTYPE', 'expected a Tensor, received undefined'],
    [
      'a disposed tensor',
      () => checks.tensor('x', gone),
      'ERR_DISPOSED',
      'expected a live tensor, received a disposed one',
    ],
    [
      'a size',
      () => checks.shape('x', floats, ['rows', 4], ' here'),
      'ERR_SHAPE',
      'expected shape [rows, 4] here, received [2, 3]',
    ],
    [
      'a rank',
      () => checks.shape('x', floats, ['rows']),
      'ERR_SHAPE',
      'expected shape [rows], received [2, 3]',
    ],
    [
      'expectShape',
      () => checks.expectShape(false, 'x', floats, 'y'),
      'ERR_SHAPE',
      'expected y, received [2, 3]',
    ],
    [
      'a dtype',
      () => checks.dtype('x', floats, 'int32', 'bool'),
      'ERR_DTYPE',
      'expected int32 or bool, received float32',
    ],
    [
      'a storage type',
      () => checks.storage('x', halves, 'float32', 'bfloat16'),
      'ERR_DTYPE',
      'expected storage float32 or bfloat16, received float16',
    ],
    [
      'a storage type once',
      () => checks.storage('x', halves, 'float32', 'float32'),
      'ERR_DTYPE',
      'expected storage float32, received float16',
    ],
    [
      'the dtype of a storage type',
      () => checks.storage('x', tf.zeros([1], 'int32'), 'float32'),
      'ERR_DTYPE',
      'expected float32, received int32',
    ],
    [
      'another storage type',
      () => checks.sameStorage('x', halves, 'query', floats),
      'ERR_DTYPE',
      'expected storage float32 to match query, received float16',
    ],
    ['an integer', () => checks.integer('x', 0, 1), 'ERR_RANGE', 'expected an integer >= 1, received 0'],
    [
      'an integer above',
      () => checks.integer('x', 6, 1, 5),
      'ERR_RANGE',
      'expected an integer >= 1 and <= 5, received 6',
    ],
    ['a fraction', () => checks.integer('x', 1.5, 1), 'ERR_RANGE', 'expected an integer >= 1, received 1.5'],
    [
      'a string',
      () => checks.integer('x', '2' as unknown as number, 1),
      'ERR_RANGE',
      'expected an integer >= 1, received "2"',
    ],
    ['NaN', () => checks.finite('x', Number.NaN), 'ERR_RANGE', 'expected a finite number, received NaN'],
    ...[1e39, -1e39, 1e-46].map((value): Rejection => [
      `${value}, which float32 cannot hold`,
      () => checks.finite('x', value),
      'ERR_RANGE',
      `expected a number that fits float32, received ${value}`,
    ]),
    ['the bound', () => checks.finite('x', 0, 0), 'ERR_RANGE', 'expected a finite number > 0, received 0'],
    ['oneOf', () => checks.oneOf('x', 'c', ['a', 1]), 'ERR_RANGE', 'expected one of "a", 1, received "c"'],
  ];
  test.each(rejected)('%s', (_name, call, code, rule) => expectAttentionError(call, code, `[op] x: ${rule}`));

  test('writing in place while a gradient is recorded', () => {
    expectAttentionError(
      () => tf.grad((x: tf.Tensor) => (checks.notRecorded('x'), tf.square(x)))(tf.scalar(1)),
      'ERR_UNSUPPORTED',
      '[op] x: expected no gradient recording, since it is written in place, received a call ' +
        'inside tf.grad or tf.variableGrads',
    );
  });
});
