import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AttentionError } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import { tokenizerFixtures } from '../testing/tokenizer_fixtures.ts';
import type { FixtureConversation, FixtureFolder } from '../testing/tokenizer_fixtures.ts';
import { Tokenizer } from './index.ts';

const { conversations, folders, oddTexts, tokenizers } = tokenizerFixtures();

/** Writes a folder of the fixtures and loads its tokenizer. */
async function load({ tokenizer, files }: FixtureFolder): Promise<Tokenizer> {
  const directory = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  try {
    const all = { 'tokenizer.json': tokenizers[tokenizer], ...files };
    for (const [name, content] of Object.entries(all)) {
      const file = join(directory, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    }
    return await Tokenizer.load(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function prompt(tokenizer: Tokenizer, { messages, ...options }: FixtureConversation): object {
  try {
    const text = tokenizer.applyChatTemplate(messages, options);
    return { text, ids: tokenizer.encode(text, { addSpecialTokens: false }) };
  } catch (error) {
    if (!(error instanceof AttentionError)) throw error;
    return { error: 'refused' };
  }
}

/** What transformers says, but not in which words it refuses. */
function expectedPrompt(expected: object): object {
  return 'error' in expected ? { error: 'refused' } : expected;
}

describe.each(Object.entries(folders))('%s is read as by transformers', (_name, folder) => {
  test('texts to ids', async () => {
    const tokenizer = await load(folder);
    const actual = oddTexts.map((text) => [
      text,
      tokenizer.encode(text),
      tokenizer.encode(text, { addSpecialTokens: false }),
    ]);
    expect(actual).toEqual(oddTexts.map((text, i) => [text, ...folder.texts[i]]));
  });

  test('ids to texts', async () => {
    const tokenizer = await load(folder);
    const actual = folder.decoded.map(([ids]) => [
      ids,
      tokenizer.decode(ids),
      tokenizer.decode(ids, { skipSpecialTokens: false }),
    ]);
    expect(actual).toEqual(folder.decoded);
  });

  test('special tokens and prompts', async () => {
    const tokenizer = await load(folder);
    expect([tokenizer.bosTokenId ?? null, tokenizer.eosTokenId ?? null]).toEqual([
      folder.bosTokenId,
      folder.eosTokenId,
    ]);
    expect(conversations.map((conversation) => prompt(tokenizer, conversation))).toEqual(
      folder.chats.map(expectedPrompt),
    );
  });
});
