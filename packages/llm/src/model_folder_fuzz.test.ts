import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttentionError } from '@attention-js/core';
import { beforeAll, expect, test } from '@jest/globals';
import { Engine } from './engine/index.ts';
import { mutateFiles } from './testing/mutate_files.ts';
import { tinyFolder } from './testing/tiny_folder.ts';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

/** `ATTENTION_FUZZ_FOLDERS=3000` tries as many; `ATTENTION_FUZZ_SEED` is where they begin. */
const FOLDERS = Number(process.env.ATTENTION_FUZZ_FOLDERS ?? 200);
const SEED = Number(process.env.ATTENTION_FUZZ_SEED ?? 1);
/** A folder that is right takes milliseconds, a template that is cut off two seconds. */
const LONGEST_MS = 8000;

/** What a message must name: a file of the folder with what is wrong in it, or a tensor of the checkpoint. */
const NAMES_PLACE =
  /^\[\w[\w.]*\] (?:[\w.]*(?:config|tokenizer|tokens_map|safetensors)[\w.]*|tensor "|checkpoint|chat_template|messages|prompt|maxTokens|\/\S+: expected a f|directory)/;

beforeAll(() => tf.setBackend('cpu'));

/** Loads a folder and uses all that it has. */
async function use(directory: string): Promise<void> {
  const engine = await Engine.load(directory, { numBlocks: 8 });
  try {
    const { tokenizer } = engine;
    if (!tokenizer) throw new Error('no tokenizer');
    tokenizer.decode(tokenizer.encode('Hi <s> there,\n it is 12 o’clock 😀'));
    await engine.generate([1, 2, 3], { maxTokens: 2, seed: 1 }).result;
    if (tokenizer.hasChatTemplate) {
      await engine.generate([{ role: 'user', content: 'Hi' }], { maxTokens: 2, seed: 1 }).result;
    }
  } finally {
    engine.dispose();
  }
}

/** How a folder ends: `undefined` when it works, else its error. */
async function outcome(files: Record<string, string | Uint8Array>): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), 'attention-fuzz-'));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    await use(directory);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('the unchanged folder works', async () => {
  expect(await outcome(tinyFolder())).toBeUndefined();
});

test(`each of ${FOLDERS} folders with faults works, or ends in time with an error that names the place`, async () => {
  const original = tinyFolder();
  const { numTensors } = tf.memory();
  const wrong: object[] = [];
  let refused = 0;
  for (let seed = SEED; seed < SEED + FOLDERS; seed++) {
    const { files, what } = mutateFiles(original, seed);
    const begin = performance.now();
    const error = await outcome(files);
    const ms = Math.round(performance.now() - begin);
    const named = error === undefined || (error instanceof AttentionError && NAMES_PLACE.test(error.message));
    if (error !== undefined) refused++;
    if (!named || ms > LONGEST_MS || tf.memory().numTensors !== numTensors) {
      wrong.push({ seed, what, error: String(error), ms, tensors: tf.memory().numTensors - numTensors });
    }
  }
  expect(wrong).toEqual([]);
  expect(refused).toBeGreaterThan(FOLDERS / 3); // else the faults are none
}, 3_600_000);
