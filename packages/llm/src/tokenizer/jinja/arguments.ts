import { TemplateError, asNumber, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** Arguments bound to the names of a signature. Arguments that were not passed are absent. */
export class BoundArguments {
  readonly #values: ReadonlyMap<string, Value>;
  readonly #callee: string;

  /** @throws TemplateError for too many arguments or an unknown name. */
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

  /** Whether an argument was passed and is not None. */
  has(name: string): boolean {
    return this.get(name) !== null && this.get(name) !== undefined;
  }

  get(name: string): Value {
    return this.#values.get(name);
  }

  /** A string argument; None counts as not passed. */
  text(name: string, fallback?: string): string {
    const value = this.has(name) ? this.get(name) : fallback;
    if (typeof value !== 'string') throw this.#wrong(name, 'a string');
    return value;
  }

  /** An integer argument; None counts as not passed. */
  integer(name: string, fallback?: number): number {
    const value = this.has(name) ? this.get(name) : fallback;
    const number = typeof value === 'boolean' ? Number(value) : value;
    if (typeof number !== 'number') throw this.#wrong(name, 'an integer');
    return number;
  }

  /** A numeric argument, as a JavaScript number. */
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
