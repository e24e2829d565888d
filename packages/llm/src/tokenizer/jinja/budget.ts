import { TemplateError } from './values.ts';

/** Far more than the longest conversations need: a message takes some hundred steps. */
const MAX_STEPS = 10_000_000;
/** Characters of one string. */
const MAX_TEXT_LENGTH = 32 * 2 ** 20;
/** Number of characters that cost as much as one step. */
const CHARACTERS_PER_STEP = 16;
const MAX_CALL_DEPTH = 100;
const MAX_MS = 2000;
/** Steps between two checks of the clock. */
const CLOCK_STEPS = 4096;

/** Limits the cost of one rendering, so that no template can block the process. */
export class Budget {
  #steps = 0;
  #nextLook = CLOCK_STEPS;
  #calls = 0;
  readonly #deadline = performance.now() + MAX_MS;

  /**
   * Spends steps.
   *
   * @throws TemplateError if the steps or the time are used up.
   */
  spend(steps = 1): void {
    this.#steps += steps;
    if (this.#steps < this.#nextLook) return;
    this.#nextLook = this.#steps + CLOCK_STEPS;
    if (this.#steps > MAX_STEPS) throw new TemplateError(`it takes more than ${MAX_STEPS} steps`);
    if (performance.now() > this.#deadline) throw new TemplateError(`it takes longer than ${MAX_MS} ms`);
  }

  /** Spends what a string of this length costs, before it is made. */
  spendText(length: number): void {
    this.checkLength(length);
    this.spend(length / CHARACTERS_PER_STEP);
  }

  /** @throws TemplateError if a string of this length would be longer than any prompt. */
  checkLength(length: number): void {
    if (length > MAX_TEXT_LENGTH)
      throw new TemplateError(`a text of more than ${MAX_TEXT_LENGTH} characters`);
  }

  /** Runs a macro, and limits how deeply macros nest. */
  nested<T>(body: () => T): T {
    if (this.#calls >= MAX_CALL_DEPTH)
      throw new TemplateError(`macros call each other more than ${MAX_CALL_DEPTH} times`);
    this.#calls++;
    try {
      return body();
    } finally {
      this.#calls--;
    }
  }
}
