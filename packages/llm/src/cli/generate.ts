import { readFile } from 'node:fs/promises';
import { AttentionError } from '@attention-js/core';
import type { GenerateArguments, PromptArgument } from './arguments.ts';
import { loadEngine } from './load_engine.ts';
import { showStats } from './stats_table.ts';
import { styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** `generate`: runs all prompts together and prints their texts in order, each as it arrives. */
export async function generate(args: GenerateArguments, terminal: Terminal): Promise<void> {
  const { bold, dim } = styles(terminal.colors.out);
  const prompts = await Promise.all(args.prompts.map((prompt) => readPrompt(prompt, terminal)));
  using engine = await loadEngine(args, terminal);
  const chat = args.chat ?? engine.tokenizer?.hasChatTemplate ?? false;
  const streams = prompts.map((prompt, i) => {
    try {
      return engine.generate(chat ? [{ role: 'user', content: prompt }] : prompt, args.sampling);
    } catch (error) {
      throw prompts.length > 1 ? inPrompt(i, error) : error;
    }
  });
  for (const [i, stream] of streams.entries()) {
    if (streams.length > 1) terminal.out(`${i > 0 ? '\n' : ''}${dim(`${i + 1}.`)} ${bold(prompts[i])}\n`);
    for await (const piece of stream) terminal.out(piece);
    terminal.out('\n');
  }
  if (args.stats) showStats(engine, terminal);
}

/** The text of a prompt. A file's final line break is removed. */
async function readPrompt(prompt: PromptArgument, terminal: Terminal): Promise<string> {
  if ('text' in prompt) return prompt.text;
  const text = prompt.file === '-' ? await terminal.readAll() : await readFile(prompt.file, 'utf8');
  return text.replace(/\r?\n$/, '');
}

/** Prefixes an error's message with the number of its prompt. */
function inPrompt(index: number, error: unknown): unknown {
  if (!(error instanceof AttentionError)) return error;
  return new AttentionError(error.code, `prompt ${index + 1}: ${error.message}`, { cause: error });
}
