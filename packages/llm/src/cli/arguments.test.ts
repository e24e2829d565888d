import { describe, expect, test } from '@jest/globals';
import { UsageError, parseArguments } from './arguments.ts';

describe('parseArguments', () => {
  test('parses generate', () => {
    const args =
      'generate --model DIR --prompt one --prompt two --max-tokens 5 --temperature 0.5 --top-k 3 --top-p 0.9 ' +
      '--min-p 0.1 --repetition-penalty 1.1 --presence-penalty 0.2 --frequency-penalty 0.3 --seed -1 --stop . ' +
      '--ignore-eos --variable enable_thinking=false --variable mood=glad --prompt-file FILE --prompt-file - --stats --raw --backend cpu';
    expect(parseArguments(args.replace('--seed -1', '--seed=-1').split(' '))).toEqual({
      command: 'generate',
      prompts: [{ text: 'one' }, { text: 'two' }, { file: 'FILE' }, { file: '-' }],
      model: 'DIR',
      backend: 'cpu',
      chat: false,
      stats: true,
      sampling: {
        maxTokens: 5,
        temperature: 0.5,
        topK: 3,
        topP: 0.9,
        minP: 0.1,
        repetitionPenalty: 1.1,
        presencePenalty: 0.2,
        frequencyPenalty: 0.3,
        seed: -1,
        stop: ['.'],
        ignoreEos: true,
        templateVariables: { enable_thinking: false, mood: 'glad' },
      },
    });
  });

  test('leaves options undefined that are not given', () => {
    const { command, ...args } = parseArguments(['generate', '--prompt', 'x']);
    expect(command).toBe('generate');
    expect(args).toMatchObject({ model: undefined, chat: undefined, stats: false });
    expect(parseArguments(['generate', '--chat', '--prompt', 'x'])).toMatchObject({ chat: true });
  });

  test.each([
    [[]],
    [['--help']],
    [['-h']],
    [['help']],
    [['generate', '--help']],
    [['chat', '-h']],
    [['demo', '-h']],
  ])('offers help for %j', (args) => {
    expect(parseArguments(args)).toEqual({ command: 'help' });
  });

  test('reads --version', () => {
    expect(parseArguments(['--version'])).toEqual({ command: 'version' });
  });

  test('parses chat', () => {
    expect(
      parseArguments(['chat', '--system', 'Be brief.', '--model', 'DIR', '--temperature', '0']),
    ).toMatchObject({
      command: 'chat',
      system: 'Be brief.',
      model: 'DIR',
      sampling: { temperature: 0, ignoreEos: false },
    });
  });

  test('parses demo', () => {
    expect(parseArguments(['demo', '--backend', 'cuda'])).toEqual({ command: 'demo', backend: 'cuda' });
  });

  test.each([
    [['talk'], 'expected a command, generate, chat or demo, received "talk"'],
    [['generate'], 'expected at least one --prompt TEXT or --prompt-file FILE'],
    [['chat', '--variable', 'x'], 'expected NAME=VALUE for --variable, received "x"'],
    [['chat', 'x'], 'arguments (messages are typed once it runs)'],
    [['chat', '--prompt', 'x'], "Unknown option '--prompt'"],
    [['generate', '--prompt', 'x', '--chat', '--raw'], 'expected --chat or --raw, received both'],
    [['generate', '--prompt', 'x', '--seed', 'y'], 'expected a number for --seed, received "y"'],
    [['generate', '--prompt', 'x', '--top-p', ''], 'expected a number for --top-p, received ""'],
    [['generate', '--promt', 'x'], "Unknown option '--promt'"],
    [['generate', 'x'], 'arguments (prompts: --prompt TEXT)'],
    [['demo', 'x'], "Unexpected argument 'x'"],
    [['demo', '--model', 'x'], "Unknown option '--model'"],
  ])('refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(UsageError);
    expect(() => parseArguments(args)).toThrow(message);
  });
});
