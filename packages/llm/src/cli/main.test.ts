import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BYTE_TOKENIZER_CONFIG, byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import { inTemporaryFolder } from '../testing/temporary_folder.ts';
import { expectNoLeaksInEachTest } from '../testing/test_engine.ts';
import { HELP } from './arguments.ts';
import { main } from './main.ts';

let model: string;

beforeAll(async () => {
  model = await mkdtemp(join(tmpdir(), 'model-'));
  await cp(fileURLToPath(new URL('../../fixtures/llama', import.meta.url)), model, { recursive: true });
  await writeFile(join(model, 'tokenizer.json'), JSON.stringify(byteTokenizerJson()));
  await writeFile(join(model, 'tokenizer_config.json'), JSON.stringify(BYTE_TOKENIZER_CONFIG));
});
afterAll(() => rm(model, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; info: string }> {
  const written = { out: '', info: '' };
  const code = await main(args, {
    out: (text) => (written.out += text),
    info: (text) => (written.info += text),
    colors: { out: false, info: false },
    width: 80,
  });
  return { code, ...written };
}

expectNoLeaksInEachTest();

describe('attention-llm', () => {
  test('prints help', async () => {
    expect(await run('--help')).toEqual({ code: 0, out: HELP, info: '' });
  });

  test('generates texts for several prompts, in order, and says how it went', async () => {
    const options = ['--model', model, '--raw', '--max-tokens', '8', '--backend', 'cpu'];
    const one = await run('generate', ...options, '--prompt', 'One');
    const two = await run('generate', ...options, '--prompt', 'Two');
    expect(one).toMatchObject({ code: 0, info: 'tfjs backend: cpu\n' });
    expect(one.out).not.toBe(two.out);
    const both = await run('generate', ...options, '--prompt', 'One', '--prompt', 'Two', '--stats');
    expect(both).toMatchObject({ code: 0, out: `1. One\n${one.out}\n2. Two\n${two.out}` });
    expect(both.info).toMatch(/generated +16 tokens, [\d,]+ a second/);
    expect(both.info).toMatch(/prefix hits +0 of 6 prompt tokens/);
  });

  test('prints its version', async () => {
    expect(await run('--version')).toEqual({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      info: '',
    });
  });

  test('colours what goes to a terminal, and nothing else', async () => {
    const args = ['generate', '--model', model, '--raw', '--max-tokens', '1', '--stats', '--prompt', 'One'];
    const esc = '\u001B[';
    for (const colors of [
      { out: true, info: false },
      { out: false, info: true },
    ]) {
      const written = { out: '', info: '' };
      const terminal = {
        out: (text: string) => (written.out += text),
        info: (text: string) => (written.info += text),
        colors,
        width: 80,
      };
      expect(await main([...args, '--prompt', 'Two'], terminal)).toBe(0);
      expect(written.out.includes(esc)).toBe(colors.out);
      expect(written.info.includes(esc)).toBe(colors.info);
    }
  });

  test('says which of several prompts cannot be served', async () => {
    const args = [
      'generate',
      '--model',
      model,
      '--raw',
      '--max-tokens',
      '2',
      '--prompt',
      'One',
      '--prompt',
      '',
    ];
    expect(await run(...args)).toMatchObject({
      code: 1,
      info: expect.stringMatching('prompt 2: \\[generate\\] prompt: expected at least one token'),
    });
  });

  test('exits with 1 and one line for a file that cannot be read', async () => {
    await inTemporaryFolder({}, async (folder) => {
      await mkdir(join(folder, 'tokenizer.json'));
      const { code, info } = await run('generate', '--prompt', 'x', '--backend', 'cpu', '--model', folder);
      expect(code).toBe(1);
      expect(info).toMatch(/tokenizer\.json: expected a file that can be read, received EISDIR[^\n]*\n$/);
    });
    const written: string[] = [];
    const broken = {
      out: () => {
        throw Object.assign(new Error('EIO: i/o error, write'), { syscall: 'write' });
      },
      info: (text: string) => void written.push(text),
      colors: { out: false, info: false },
      width: 80,
    };
    expect(await main(['--help'], broken)).toBe(1);
    expect(written).toEqual(['EIO: i/o error, write\n']);
  });

  test('exits with 2 for arguments that it does not understand', async () => {
    expect(await run('generate')).toEqual({
      code: 2,
      out: '',
      info: 'expected at least one --prompt TEXT\nattention-llm --help shows what there is.\n',
    });
  });

  test('exits with 1 and a message for what it cannot do', async () => {
    const nowhere = join(model, 'nowhere');
    const missing = await run('generate', '--prompt', 'x', '--backend', 'cpu', '--model', nowhere);
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.info).toMatch(
      `[Engine.load] directory: expected a local Hugging Face folder, received "${nowhere}", which does not exist`,
    );
    const tooHot = await run('generate', '--prompt', 'x', '--raw', '--model', model, '--temperature=-1');
    expect(tooHot.info).toMatch('[generate] temperature: expected a float32 >= 0, received -1');
    expect(await run('demo', '--backend', 'abacus')).toMatchObject({
      code: 1,
      info: expect.stringMatching('@attention-js/backend-abacus'),
    });
  });
});
