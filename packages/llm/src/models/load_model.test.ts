import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { cp, mkdtemp, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttentionErrorCode } from '@attention-js/core';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SafetensorsFile } from '../safetensors/safetensors_file.ts';
import { expectRejection } from '../testing/expect_rejection.ts';
import { expectedPrompts, fixtureFolder } from '../testing/fixtures.ts';
import type { FixtureName } from '../testing/fixtures.ts';
import { runWithoutCache } from '../testing/run_prompts.ts';
import { packSafetensors } from '../testing/write_safetensors.ts';
import type { RawTensor } from '../testing/write_safetensors.ts';
import { loadModel } from './load_model.ts';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

type Tensors = Record<string, RawTensor>;

/** Runs `body` on a copy of a single-file fixture, its config and tensors changed. */
async function withChanged<T>(
  name: FixtureName,
  { config = {}, tensors = (all) => all }: { config?: object; tensors?: (all: Tensors) => Tensors },
  body: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'attention-llm-'));
  try {
    await cp(fixtureFolder(name), directory, { recursive: true });
    const configFile = join(directory, 'config.json');
    const original = JSON.parse(await readFile(configFile, 'utf8')) as object;
    await writeFile(configFile, JSON.stringify({ ...original, ...config }));
    const weights = join(directory, 'model.safetensors');
    const changed = packSafetensors(tensors(await readTensors(weights)));
    await writeFile(`${weights}.new`, changed);
    await rename(`${weights}.new`, weights);
    return await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function readTensors(path: string): Promise<Tensors> {
  const file = await SafetensorsFile.open(path);
  const tensors: Tensors = {};
  for (const [name, entry] of file.entries) {
    const bytes = new Uint8Array(entry.byteLength);
    await file.read(entry, bytes);
    tensors[name] = { dtype: entry.dtype, shape: [...entry.shape], bytes };
  }
  await file.close();
  return tensors;
}

function without(name: string): (all: Tensors) => Tensors {
  return (all) => Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));
}

/** The decoder alone, as some checkpoints have it. */
const withoutPrefix = (all: Tensors): Tensors =>
  Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name.replace('transformer.', ''), tensor]));

/** With tensors that no model needs. */
const withIgnored = (all: Tensors): Tensors => ({
  ...all,
  'lm_head.weight': all['model.embed_tokens.weight'],
  'model.layers.0.self_attn.rotary_emb.inv_freq': { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) },
});

/** Open files of this process, on Linux; elsewhere none can be counted. */
async function openFiles(): Promise<number> {
  return (await readdir('/proc/self/fd').catch(() => [])).length;
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('reports progress from 0 to 1, never backwards', async () => {
  for (const name of ['llama', 'llama3', 'mixtral', 'bloom'] as const) {
    const fractions: number[] = [];
    const model = await loadModel(fixtureFolder(name), {
      onProgress: (fraction) => fractions.push(fraction),
    });
    model.dispose();
    expect(fractions.length).toBeGreaterThan(10);
    expect(fractions[0]).toBe(0);
    expect(fractions.toSorted((a, b) => a - b)).toEqual(fractions);
    expect(fractions.filter((fraction) => fraction < 1).length).toBeGreaterThan(10);
    expect(fractions.at(-1)).toBe(1);
  }
});

test('leaves no file open', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'attention-llm-'));
  await cp(fixtureFolder('llama3'), directory, { recursive: true });
  const before = await openFiles();
  (await loadModel(directory)).dispose();
  expect(await openFiles()).toBe(before);
  await truncate(join(directory, 'model-00003-of-00003.safetensors'), 1000);
  await expectRejection(loadModel(directory), 'ERR_RANGE', 'model-00003-of-00003.safetensors');
  expect(await openFiles()).toBe(before);
  await rm(directory, { recursive: true });
});

test('loads a decoder that was saved without its prefix', async () => {
  const [, , { tokenIds, logits }] = await expectedPrompts('bloom');
  await withChanged('bloom', { tensors: withoutPrefix }, async (directory) => {
    const model = await loadModel(directory);
    const [actual] = runWithoutCache(model, [tokenIds]);
    actual.forEach((value, i) => expect(Math.abs(value - logits[i])).toBeLessThan(1e-4));
    model.dispose();
  });
});

test('frees what was loaded when the progress callback throws', async () => {
  const { numTensors } = tf.memory();
  const stopped = new Error('stopped');
  const loading = loadModel(fixtureFolder('llama'), {
    onProgress: (fraction) => {
      if (fraction > 0.5) throw stopped;
    },
  });
  await expect(loading).rejects.toBe(stopped);
  expect(tf.memory().numTensors).toBe(numTensors);
});

/** The logits of a short prompt. */
async function logitsOf(directory: string, tokenIds: number[]): Promise<Float32Array> {
  const model = await loadModel(directory);
  const [logits] = runWithoutCache(model, [tokenIds]);
  model.dispose();
  return logits;
}

describe('a head that is tied to the embeddings', () => {
  const EMBEDDING = 'model.embed_tokens.weight';
  const HEAD = 'lm_head.weight';
  const renamed = (all: Tensors): Tensors =>
    Object.fromEntries(
      Object.entries(all).map(([name, tensor]) => [name === EMBEDDING ? HEAD : name, tensor]),
    );
  const withZeroHead = (all: Tensors): Tensors => ({
    ...all,
    [HEAD]: { ...all[EMBEDDING], bytes: new Uint8Array(all[EMBEDDING].bytes.length) },
  });

  test.each([
    ['under its own name too, beside rotary frequencies', withIgnored],
    ['under its own name alone', renamed],
  ])('may be stored %s', async (_title, tensors) => {
    const [, , { tokenIds, logits }] = await expectedPrompts('qwen2');
    await withChanged('qwen2', { tensors }, async (directory) => {
      const actual = await logitsOf(directory, tokenIds);
      actual.forEach((value, i) => expect(Math.abs(value - logits[i])).toBeLessThan(1e-4));
    });
  });

  test('counts as stored where it differs from them', async () => {
    await withChanged('qwen2', { tensors: withZeroHead }, async (directory) => {
      expect(await logitsOf(directory, [3, 4, 5])).toEqual(new Float32Array(3 * 160));
    });
  });
});

describe('the text part of a multimodal checkpoint', () => {
  const image: RawTensor = { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) };
  const placed =
    (base: string, vision: string) =>
    (all: Tensors): Tensors => ({
      ...Object.fromEntries(
        Object.entries(all).map(([name, tensor]) => [name.replace(/^model\./, base), tensor]),
      ),
      [vision]: image,
    });

  test.each([
    ['as transformers 5 writes it', 'model.language_model.', 'model.vision_tower.patch.weight'],
    ['as earlier versions wrote it', 'language_model.model.', 'vision_tower.patch.weight'],
  ])('%s', async (_title, base, vision) => {
    const [, , { tokenIds, logits }] = await expectedPrompts('gemma3_text');
    const file = await readFile(join(fixtureFolder('gemma3_text'), 'config.json'), 'utf8');
    const config = { model_type: 'gemma3', text_config: JSON.parse(file) as object, vision_config: {} };
    await withChanged('gemma3_text', { config, tensors: placed(base, vision) }, async (directory) => {
      const actual = await logitsOf(directory, tokenIds);
      actual.forEach((value, i) => expect(Math.abs(value - logits[i])).toBeLessThan(1e-4));
    });
  });

  const withExtra = (all: Tensors): Tensors => ({
    ...placed('model.language_model.', 'model.vision_tower.patch.weight')(all),
    'model.language_model.extra.weight': image,
  });

  test('leaves nothing of the text out', async () => {
    await withChanged('gemma3_text', { tensors: withExtra }, (directory) =>
      expectRejection(loadModel(directory), 'ERR_UNSUPPORTED', 'also model.language_model.extra.weight'),
    );
  });
});

test('finds what does not fit before it reads a weight', async () => {
  const last = 'model.layers.1.mlp.down_proj.weight';
  const fractions: number[] = [];
  const wrong = (all: Tensors): Tensors => ({
    ...all,
    [last]: { ...all[last], shape: all[last].shape.toReversed() },
  });
  await withChanged('llama', { tensors: wrong }, (directory) =>
    expectRejection(
      loadModel(directory, { onProgress: (fraction) => fractions.push(fraction) }),
      'ERR_SHAPE',
      last,
    ),
  );
  expect(fractions).toEqual([]);
});

describe('refuses', () => {
  const Q = 'model.layers.0.self_attn.q_proj.weight';
  const GATE = 'model.layers.0.mlp.gate_proj.weight';
  const faults: [string, Parameters<typeof withChanged>[1], AttentionErrorCode, string][] = [
    [
      'another family',
      { config: { model_type: 'gpt2' } },
      'ERR_UNSUPPORTED',
      'expected one of llama, mistral',
    ],
    ['a missing tensor', { tensors: without(Q) }, 'ERR_RANGE', `a tensor "${Q}", received none`],
    [
      'sizes that are not those of the weights',
      { config: { head_dim: 16 } },
      'ERR_SHAPE',
      'expected shape [64, 64], received [128, 64]',
    ],
    ['more layers than there are', { config: { num_hidden_layers: 3 } }, 'ERR_RANGE', 'model.layers.2.'],
    [
      'fewer layers than there are',
      { config: { num_hidden_layers: 1 } },
      'ERR_UNSUPPORTED',
      'also model.layers.1.',
    ],
    [
      'biases that config.json does not know of',
      { config: { attention_bias: false } },
      'ERR_UNSUPPORTED',
      '.bias',
    ],
    [
      'a dtype without a storage type',
      { tensors: (all) => ({ ...all, [Q]: { ...all[Q], dtype: 'I16' } }) },
      'ERR_UNSUPPORTED',
      `tensor "${Q}": expected one of F32, F16, BF16, received I16`,
    ],
    [
      'parts of one projection in two dtypes',
      { tensors: (all) => ({ ...all, [GATE]: { ...all[GATE], dtype: 'BF16' } }) },
      'ERR_DTYPE',
      `expected BF16 to match "${GATE}", received F16`,
    ],
  ];

  test.each(faults)('%s, and keeps nothing', async (_title, change, code, message) => {
    const { numTensors } = tf.memory();
    await withChanged('llama', change, (directory) => expectRejection(loadModel(directory), code, message));
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test('a folder without config.json', async () => {
    await expectRejection(loadModel('/nowhere'), 'ERR_RANGE', 'expected a folder with config.json');
  });

  test('a storage type that there is none of', async () => {
    const storage = 'float8' as 'float16';
    const { numTensors } = tf.memory();
    await expectRejection(loadModel(fixtureFolder('llama'), { storage }), 'ERR_RANGE', 'storage');
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
