import { AttentionError } from '@attention-js/core';
import { Engine } from '../engine/index.ts';
import type { GenerateArguments } from './arguments.ts';
import { setBackend } from './backend.ts';
import { SHIPPED_MODEL } from './shipped_model.ts';
import { alignRows, statsTable } from './stats_table.ts';
import { styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** `generate`: all prompts run together; their texts are printed in order, each as it comes. */
export async function generate(args: GenerateArguments, terminal: Terminal): Promise<void> {
  const { bold, dim } = styles(terminal.colors.out);
  const backend = await setBackend(args.backend);
  for (const note of backend.notes) terminal.info(`${note}\n`);
  terminal.info(`tfjs backend: ${backend.name}\n`);
  using engine = await Engine.load(args.model ?? SHIPPED_MODEL);
  const chat = args.chat ?? engine.tokenizer?.hasChatTemplate ?? false;
  const streams = args.prompts.map((prompt, i) => {
    try {
      return engine.generate(chat ? [{ role: 'user', content: prompt }] : prompt, args.sampling);
    } catch (error) {
      throw args.prompts.length > 1 ? inPrompt(i, error) : error;
    }
  });
  for (const [i, stream] of streams.entries()) {
    if (streams.length > 1)
      terminal.out(`${i > 0 ? '\n' : ''}${dim(`${i + 1}.`)} ${bold(args.prompts[i])}\n`);
    for await (const piece of stream) terminal.out(piece);
    terminal.out('\n');
  }
  if (args.stats)
    terminal.info(`\n${alignRows(statsTable(engine.stats()), styles(terminal.colors.info).dim)}`);
}

/** An error that says which of several prompts it is about. */
function inPrompt(index: number, error: unknown): unknown {
  if (!(error instanceof AttentionError)) return error;
  return new AttentionError(error.code, `prompt ${index + 1}: ${error.message}`, { cause: error });
}
