import { Budget } from './budget.ts';
import { Interpreter } from './interpreter.ts';
import { parse } from './parse.ts';
import type { Node } from './syntax.ts';
import { TemplateError, fromJavaScript } from './values.ts';

export { TemplateError } from './values.ts';

/**
 * A Jinja template that renders as jinja2 does in transformers: with Python's values, and within limits on time and
 * size.
 *
 * @see https://jinja.palletsprojects.com/en/stable/templates/
 */
export class Template {
  readonly #program: Node[];

  /** @throws TemplateError if the source cannot be parsed. */
  constructor(source: string) {
    this.#program = parse(source);
  }

  /**
   * Renders the template.
   *
   * @param variables JSON values by name. `undefined` stands for an undefined variable.
   * @throws TemplateError if the template raises an error or exceeds its limits.
   */
  render(variables: Readonly<Record<string, unknown>>): string {
    const values = new Map(
      Object.entries(variables)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, fromJavaScript(value, name)]),
    );
    try {
      return new Interpreter(new Budget()).run(this.#program, values);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new TemplateError('it calls itself too often', { cause }); // the stack overflowed
    }
  }
}
