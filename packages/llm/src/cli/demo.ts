import { Engine } from '../engine/index.ts';
import type { GenerationResult } from '../engine/index.ts';
import type { DemoArguments } from './arguments.ts';
import { setBackend } from './backend.ts';
import { loadQuestions, questionMessage } from './questions.ts';
import type { QuestionContext } from './questions.ts';
import { SHIPPED_MODEL } from './shipped_model.ts';
import { alignRows, statsTable } from './stats_table.ts';
import { bytes, count, styles, wrap } from './terminal.ts';
import type { Styles, Terminal } from './terminal.ts';

const CONTEXTS = 4;
const QUESTIONS_PER_CONTEXT = 4;
const MAX_TOKENS_PER_STEP = 128;
const MAX_ANSWER_TOKENS = 40;

/**
 * `demo`: asks questions about a few texts, all at the same time; prints the answers as they arrive, then statistics.
 */
export async function demo({ backend: requested }: DemoArguments, terminal: Terminal): Promise<void> {
  const style = styles(terminal.colors.out);
  const backend = await setBackend(requested);
  for (const note of backend.notes) terminal.info(`${note}\n`);
  using engine = await Engine.load(SHIPPED_MODEL, { maxTokensPerStep: MAX_TOKENS_PER_STEP });
  const contexts = (await loadQuestions(SHIPPED_MODEL))
    .slice(0, CONTEXTS)
    .map((context) => ({ ...context, questions: context.questions.slice(0, QUESTIONS_PER_CONTEXT) }));
  const total = contexts.reduce((sum, { questions }) => sum + questions.length, 0);
  terminal.out(
    `\n${style.bold(`${total} questions about ${contexts.length} texts, all at once`)} ` +
      `${style.dim(`on tfjs backend ${backend.name}`)}\n`,
  );

  const started = performance.now();
  const asked = contexts.map((context) => ({
    context,
    streams: context.questions.map((question) =>
      engine.generate([{ role: 'user', content: questionMessage(context, question) }], {
        temperature: 0,
        maxTokens: MAX_ANSWER_TOKENS,
      }),
    ),
  }));
  const results: GenerationResult[] = [];
  for (const { context, streams } of asked) {
    showText(context, style, terminal);
    for (const [i, stream] of streams.entries()) {
      const { question, answer, sentence } = context.questions[i];
      terminal.out(`  ${style.cyan(question)} ${style.bold.on}`);
      for await (const piece of stream) terminal.out(piece);
      terminal.out(style.bold.off);
      const result = await stream.result;
      terminal.out(
        result.text.includes(answer) ? '\n' : ` ${style.yellow(`(right would be: ${sentence})`)}\n`,
      );
      results.push(result);
    }
  }
  terminal.out(`\n${alignRows(summary(engine, results, performance.now() - started), style.dim)}\n`);
}

function showText({ text }: QuestionContext, { dim }: Styles, { out, width }: Terminal): void {
  const lines = wrap(text, width - 4).map((line) => `  ${dim('│')} ${dim(line)}\n`);
  out(`\n${lines.join('')}\n`);
}

/** The engine's statistics, and the size that a padded cache would need for the same requests. */
function summary(engine: Engine, results: readonly GenerationResult[], ms: number): [string, string][] {
  const stats = engine.stats();
  const { blockSize, blockBytes, peakUsedBlocks } = stats.cache;
  const tokenBytes = blockBytes / blockSize;
  const longest = Math.max(...results.map(({ promptTokens, tokenIds }) => promptTokens + tokenIds.length));
  const padded = results.length * longest * tokenBytes;
  const paged = peakUsedBlocks * blockBytes;
  return [
    ['time', `${(ms / 1000).toFixed(1)} s`],
    ...statsTable(stats),
    [
      'padded cache',
      `${bytes(padded)} for ${results.length} sequences of ${count(longest)} tokens, the longest one here: ` +
        `${(padded / paged).toFixed(1)} times as much`,
    ],
  ];
}
