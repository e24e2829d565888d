import { TemplateError, asNumber, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** Arguments by the names of a signature; those that were not given are absent. */
export class Bound {
  readonly #values: ReadonlyMap<string, Value>;
  readonly #callee: string;

  /** @throws TemplateError for an argument too many, or of an unknown name. */
  constructor(callee: string, names: readonly string[], { positional, named }: Arguments) {
    if (positional.length > names.length)
      throw new TemplateError(`${callee}() takes ${names.length} arguments`);
    const values = new Map(positional.map((value, i) => [names[i], value]));
    for (const [name, value] of named) {
      if (!names.includes(name) || values.has(name)) {
        throw new TemplateError(`${callee}() got an unexpected argument '${name}'`);
      }
      values.set(name, value);
    }
    this.#values = values;
    this.#callee = callee;
  }

  /** Whether an argument was given, and is not None. */
  has(name: string): boolean {
    return this.get(name) !== null && this.get(name) !== undefined;
  }

  get(name: string): Value {
    return this.#values.get(name);
  }

  /** A text; None counts as left out. */
  text(name: string, fallback?: string): string {
    const value = this.has(name) ? this.get(name) : fallback;
    if (typeof value !== 'string') throw this.#wrong(name, 'a string');
    return value;
  }

  /** An integer; None counts as left out. */
  integer(name: string, fallback?: number): number {
    const value = this.has(name) ? this.get(name) : fallback;
    const number = typeof value === 'boolean' ? Number(value) : value;
    if (typeof number !== 'number') throw this.#wrong(name, 'an integer');
    return number;
  }

  /** A number as JavaScript has it. */
  number(name: string, fallback: number): number {
    const value = this.has(name) ? asNumber(this.get(name)) : fallback;
    if (value === undefined) throw this.#wrong(name, 'a number');
    return value;
  }

  #wrong(name: string, expected: string): TemplateError {
    return new TemplateError(
      `${this.#callee}(): ${name} must be ${expected}, not ${typeName(this.get(name))}`,
    );
  }
}
