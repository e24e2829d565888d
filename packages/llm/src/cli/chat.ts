import { AttentionError } from '@attention-js/core';
import type { Engine } from '../engine/index.ts';
import type { ChatMessage } from '../tokenizer/index.ts';
import type { ChatArguments } from './arguments.ts';
import { loadEngine } from './load_engine.ts';
import { showStats } from './stats_table.ts';
import { styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

const PROMPT = '> ';

/** `chat`: a conversation with one line per message. If a message fails, prints the error and goes on. */
export async function chat(args: ChatArguments, terminal: Terminal): Promise<void> {
  using engine = await loadEngine(args, terminal);
  if (!engine.tokenizer?.hasChatTemplate) {
    const message =
      '[chat] expected a model with a chat template, received one without; generate --raw continues plain text';
    throw new AttentionError('ERR_UNSUPPORTED', message);
  }
  const beginning: ChatMessage[] =
    args.system === undefined ? [] : [{ role: 'system', content: args.system }];
  let messages = beginning;
  const { bold } = styles(terminal.colors.info);
  terminal.info(bold(PROMPT));
  for await (const line of terminal.lines()) {
    const text = line.trim();
    if (text === '/exit') break;
    if (text === '/new') messages = beginning;
    else if (text !== '')
      messages = await answer(engine, [...messages, { role: 'user', content: text }], args, terminal);
    terminal.info(bold(PROMPT));
  }
  terminal.info('\n');
  if (args.stats) showStats(engine, terminal);
}

/**
 * Prints the answer to the last message. Returns the conversation with the answer, or, if it failed, without the
 * message.
 */
async function answer(
  engine: Engine,
  messages: ChatMessage[],
  { sampling }: ChatArguments,
  terminal: Terminal,
): Promise<ChatMessage[]> {
  try {
    const stream = engine.generate(messages, sampling);
    for await (const piece of stream) terminal.out(piece);
    terminal.out('\n');
    const { text } = await stream.result;
    return [...messages, { role: 'assistant', content: text }];
  } catch (error) {
    if (!(error instanceof AttentionError)) throw error;
    terminal.info(`${error.message}\n`);
    return messages.slice(0, -1);
  }
}
