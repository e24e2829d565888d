import { TemplateError } from './values.ts';
import type { Value } from './values.ts';

/** The variables of a block, nested in the scopes around it. Variables that are set in a block disappear after it. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #parent: Scope | undefined;

  constructor(parent?: Scope) {
    this.#parent = parent;
  }

  get(name: string): Value {
    if (this.#values.has(name)) return this.#values.get(name);
    return this.#parent?.get(name);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** Assigns a value to one name, or its items to several. */
  assign(names: readonly string[] | string, value: Value, items: (value: Value) => readonly Value[]): void {
    if (typeof names === 'string') {
      this.set(names, value);
      return;
    }
    const values = items(value);
    if (values.length !== names.length) {
      throw new TemplateError(`expected ${names.length} values to unpack, received ${values.length}`);
    }
    names.forEach((name, i) => this.set(name, values[i]));
  }
}
