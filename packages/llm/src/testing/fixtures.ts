import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SafetensorsFile } from '../safetensors/safetensors_file.ts';

const FOLDER = fileURLToPath(new URL('../../fixtures', import.meta.url));

/** The models with random weights in packages/llm/fixtures, see make_fixtures.py. */
export const FIXTURE_NAMES = [
  'llama',
  'llama3',
  'mistral',
  'ministral',
  'qwen2',
  'qwen3',
  'qwen3_moe',
  'mixtral',
  'gemma',
  'gemma2',
  'gemma3_text',
  'phi',
  'phi3',
  'smollm3',
  'olmo2',
  'olmo3',
  'granite',
  'arcee',
  'seed_oss',
  'ernie4_5',
  'glm',
  'glm4',
  'cohere',
  'cohere2',
  'exaone4',
  'starcoder2',
  'stablelm',
  'nemotron',
  'gpt_neox',
  'bloom',
] as const;

/** The name of a fixture. */
export type FixtureName = (typeof FIXTURE_NAMES)[number];

/** The folder of a fixture: a Hugging Face checkpoint. */
export function fixtureFolder(name: FixtureName): string {
  return join(FOLDER, name);
}

/** Token ids, and the logits `[tokens, vocab]` that transformers computes for them. */
export interface ExpectedPrompt {
  tokenIds: number[];
  logits: Float32Array;
}

/** The prompts of a fixture. */
export async function expectedPrompts(name: FixtureName): Promise<ExpectedPrompt[]> {
  const prompts = JSON.parse(await readFile(join(fixtureFolder(name), 'prompts.json'), 'utf8')) as number[][];
  const file = await SafetensorsFile.open(join(fixtureFolder(name), 'expected.safetensors'));
  try {
    const expected: ExpectedPrompt[] = [];
    for (const [i, tokenIds] of prompts.entries()) {
      const entry = file.entries.get(`logits.${i}`);
      if (!entry) throw new Error(`${name} has no logits of prompt ${i}`);
      const bytes = new Uint8Array(entry.byteLength);
      await file.read(entry, bytes);
      expected.push({ tokenIds, logits: new Float32Array(bytes.buffer) });
    }
    return expected;
  } finally {
    await file.close();
  }
}
