import { TemplateError } from './values.ts';

/** Far above what the longest conversations need: a message takes some hundred steps. */
const MOST_STEPS = 10_000_000;
/** Characters of one text. */
const LONGEST_TEXT = 32 * 2 ** 20;
/** Characters that cost as much as a step. */
const CHARACTERS_PER_STEP = 16;
const MOST_CALLS = 100;
const MOST_MS = 2000;
/** Steps between looks at the clock. */
const CLOCK_STEPS = 4096;

/** What one rendering may cost, so that no template blocks the process. */
export class Budget {
  #steps = 0;
  #nextLook = CLOCK_STEPS;
  #calls = 0;
  readonly #deadline = performance.now() + MOST_MS;

  /**
   * Takes steps.
   *
   * @throws TemplateError when there are none left, or the time is up.
   */
  spend(steps = 1): void {
    this.#steps += steps;
    if (this.#steps < this.#nextLook) return;
    this.#nextLook = this.#steps + CLOCK_STEPS;
    if (this.#steps > MOST_STEPS) throw new TemplateError(`it takes more than ${MOST_STEPS} steps`);
    if (performance.now() > this.#deadline) throw new TemplateError(`it takes longer than ${MOST_MS} ms`);
  }

  /** Takes what a text of this length costs, before it is made. */
  spendText(length: number): void {
    this.checkLength(length);
    this.spend(length / CHARACTERS_PER_STEP);
  }

  /** @throws TemplateError for a text longer than any prompt. */
  checkLength(length: number): void {
    if (length > LONGEST_TEXT) throw new TemplateError(`a text of more than ${LONGEST_TEXT} characters`);
  }

  /** Runs a macro, of which only so many may call each other. */
  nested<T>(body: () => T): T {
    if (this.#calls >= MOST_CALLS)
      throw new TemplateError(`macros call each other more than ${MOST_CALLS} times`);
    this.#calls++;
    try {
      return body();
    } finally {
      this.#calls--;
    }
  }
}
