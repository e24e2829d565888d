import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A question about a text. */
export interface Question {
  question: string;
  /** The text that a correct answer contains. */
  answer: string;
  /** A correct answer. */
  sentence: string;
}

/** A text with facts, and questions about them. */
export interface QuestionContext {
  text: string;
  questions: Question[];
}

/** Reads the shipped model's questions. */
export async function loadQuestions(directory: string): Promise<QuestionContext[]> {
  const { contexts } = JSON.parse(await readFile(join(directory, 'questions.json'), 'utf8')) as {
    contexts: QuestionContext[];
  };
  return contexts;
}

/** The message that asks a question about a text, in the form that the shipped model was trained on. */
export function questionMessage(context: QuestionContext, { question }: Question): string {
  return `${context.text}\n\n${question}`;
}
