import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
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

const noInput = { readAll: () => Promise.resolve(''), lines: () => Readable.from([]) };

interface Outcome {
  code: number;
  out: string;
  info: string;
}

/** What a command writes, given this on its standard input. */
async function runWith(input: string, ...args: string[]): Promise<Outcome> {
  const written = { out: '', info: '' };
  const code = await main(args, {
    out: (text) => (written.out += text),
    info: (text) => (written.info += text),
    colors: { out: false, info: false },
    width: 80,
    readAll: () => Promise.resolve(input),
    lines: () => Readable.from(input.split('\n')),
  });
  return { code, ...written };
}

const run = (...args: string[]): Promise<Outcome> => runWith('', ...args);

expectNoLeaksInEachTest();

describe('attention-llm', () => {
  test('prints help', async () => {
    expect(await run('--help')).toEqual({ code: 0, out: HELP, info: '' });
  });

  test('generates texts for several prompts, in order, and prints statistics', async () => {
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

  test('reads prompts from files and from standard input', async () => {
    const options = ['--model', model, '--raw', '--max-tokens', '6', '--backend', 'cpu', '--prompt', 'One'];
    const texts = await run('generate', ...options, '--prompt', 'Two\nlines', '--prompt', 'Three');
    await inTemporaryFolder({ 'prompt.txt': 'Two\nlines\n' }, async (folder) => {
      const files = ['--prompt-file', join(folder, 'prompt.txt'), '--prompt-file', '-'];
      expect(await runWith('Three\r\n', 'generate', ...options, ...files)).toEqual(texts);
      const missing = await run('generate', ...options, '--prompt-file', join(folder, 'none'));
      expect(missing).toMatchObject({
        code: 1,
        out: '',
        info: expect.stringMatching(/^ENOENT[^\n]*none'\n$/),
      });
    });
  });

  test('continues after end tokens with --ignore-eos', async () => {
    const options = ['--model', model, '--raw', '--max-tokens', '200', '--backend', 'cpu', '--prompt', 'One'];
    const penalties = ['--presence-penalty', '1', '--frequency-penalty', '0.5'];
    const { info } = await run('generate', ...options, ...penalties, '--ignore-eos', '--stats');
    expect(info).toMatch(/generated +200 tokens/);
  });

  test('holds a conversation', async () => {
    const input = 'Tell me a story.\n\nAnd then?\n/new\nTell me a story.\n/exit\nNo more.';
    const { code, out, info } = await runWith(
      input,
      'chat',
      '--max-tokens',
      '8',
      '--backend',
      'cpu',
      '--stats',
    );
    const [first, second, again, rest] = out.split('\n');
    expect({ code, rest, again }).toEqual({ code: 0, rest: '', again: first });
    expect(second).not.toBe(first);
    expect(info).toMatch(/requests +3 in/);
    expect(info.match(/> /g)).toHaveLength(6);
  });

  test('reports a failed message in a conversation, and goes on', async () => {
    const options = ['chat', '--model', model, '--max-tokens', '4', '--backend', 'cpu'];
    const refused = await runWith('One\nTwo', ...options, '--system', 'Be brief.');
    expect(refused).toMatchObject({
      code: 0,
      out: '',
      info: expect.stringMatching(/no system role[^]*no system role/),
    });
  });

  test('prints its version', async () => {
    expect(await run('--version')).toEqual({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      info: '',
    });
  });

  test('colours only what goes to a terminal', async () => {
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
        ...noInput,
      };
      expect(await main([...args, '--prompt', 'Two'], terminal)).toBe(0);
      expect(written.out.includes(esc)).toBe(colors.out);
      expect(written.info.includes(esc)).toBe(colors.info);
    }
  });

  test('reports which of several prompts failed', async () => {
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
      expect(info).toMatch(/tokenizer\.json: expected a file that can be read, received a folder\n$/);
    });
    const written: string[] = [];
    const broken = {
      out: () => {
        throw Object.assign(new Error('EIO: i/o error, write'), { syscall: 'write' });
      },
      info: (text: string) => void written.push(text),
      colors: { out: false, info: false },
      width: 80,
      ...noInput,
    };
    expect(await main(['--help'], broken)).toBe(1);
    expect(written).toEqual(['EIO: i/o error, write\n']);
  });

  test('exits with 2 for invalid arguments', async () => {
    expect(await run('generate')).toEqual({
      code: 2,
      out: '',
      info: 'expected at least one --prompt TEXT or --prompt-file FILE\nRun attention-llm --help for usage.\n',
    });
  });

  test('exits with 1 and a message if it fails', async () => {
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
