import { expect, test } from '@jest/globals';
import { describeOnBackends } from '../../core/src/testing/backends.ts';
import { loadQuestions, questionMessage } from './cli/questions.ts';
import type { QuestionContext } from './cli/questions.ts';
import { SHIPPED_MODEL } from './cli/shipped_model.ts';
import { Engine } from './engine/index.ts';
import { loadModel } from './models/index.ts';
import type { CausalLM } from './models/index.ts';
import { denseForward, disposeDenseCache } from './testing/dense_attention.ts';
import type { DenseCache } from './testing/dense_attention.ts';
import { expectNoLeaksInEachTest } from './testing/test_engine.ts';
import { Tokenizer } from './tokenizer/index.ts';

const DENSE_CHUNK = 256;

expectNoLeaksInEachTest();

test('the shipped model recalls facts, the same through paged and through dense attention', async () => {
  const contexts = await loadQuestions(SHIPPED_MODEL);
  const questions = contexts.flatMap((context) => context.questions);
  expect(questions).toHaveLength(50);

  const answers = await answerPaged(contexts);
  const right = answers.filter((answer, i) => answer.includes(questions[i].answer));
  expect(right.length).toBeGreaterThanOrEqual(45);
  expect(await answerDense(contexts)).toEqual(answers);
}, 300_000);

describeOnBackends('the shipped model', () => {
  test('answers three questions at once', async () => {
    const [{ questions, ...context }] = await loadQuestions(SHIPPED_MODEL);
    const asked = { ...context, questions: questions.slice(0, 3) };
    const answers = await answerPaged([asked]);
    answers.forEach((answer, i) => expect(answer).toContain(asked.questions[i].answer));
  });
});

/** All questions at once, with chunks that fit neither blocks nor texts. */
async function answerPaged(contexts: readonly QuestionContext[]): Promise<string[]> {
  using engine = await Engine.load(SHIPPED_MODEL, { maxTokensPerStep: 96, maxSequences: 16, numBlocks: 400 });
  const streams = contexts.flatMap((context) =>
    context.questions.map((question) =>
      engine.generate([{ role: 'user', content: questionMessage(context, question) }], { temperature: 0 }),
    ),
  );
  const results = await Promise.all(streams.map(({ result }) => result));
  expect(results.map(({ finishReason }) => finishReason)).toEqual(results.map(() => 'stop'));
  return results.map(({ text }) => text);
}

/** One question after the other; those about one text share its keys and values. */
async function answerDense(contexts: readonly QuestionContext[]): Promise<string[]> {
  const tokenizer = await Tokenizer.load(SHIPPED_MODEL);
  const model = await loadModel(SHIPPED_MODEL);
  const answers = contexts.flatMap((context) => {
    const prompts = context.questions.map((question) => {
      const messages = [{ role: 'user', content: questionMessage(context, question) }];
      return tokenizer.encode(tokenizer.applyChatTemplate(messages), { addSpecialTokens: false });
    });
    const shared = commonPrefix(prompts);
    const past = prefill(model, shared);
    const texts = prompts.map((prompt) => {
      const answer = continueGreedily(model, prompt.slice(shared.length), past, tokenizer.eosTokenId);
      return tokenizer.decode(answer);
    });
    disposeDenseCache(past);
    return texts;
  });
  model.dispose();
  return answers;
}

function commonPrefix([first, ...others]: number[][]): number[] {
  const end = first.findIndex((token, i) => others.some((other) => other[i] !== token));
  return first.slice(0, end);
}

function prefill(model: CausalLM, tokens: readonly number[]): DenseCache {
  let past: DenseCache = [];
  for (let start = 0; start < tokens.length; start += DENSE_CHUNK) {
    const { cache } = denseForward(model, tokens.slice(start, start + DENSE_CHUNK), past);
    disposeDenseCache(past);
    past = cache;
  }
  return past;
}

function continueGreedily(
  model: CausalLM,
  tokens: readonly number[],
  past: DenseCache,
  eosTokenId: number | undefined,
): number[] {
  const { nextToken, cache } = denseForward(model, tokens, past);
  const rest =
    nextToken === eosTokenId ? [] : [nextToken, ...continueGreedily(model, [nextToken], cache, eosTokenId)];
  disposeDenseCache(cache);
  return rest;
}
