import { AttentionError, Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';

const checks = new Checks('loadModel');

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isPositive = (value: unknown): boolean => Number.isFinite(value) && (value as number) > 0;
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isString = (value: unknown): boolean => typeof value === 'string';
const areIntegers = (value: unknown): boolean => [value].flat().every(Number.isSafeInteger);
const areStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);

/**
 * The values of a config.json, each checked when it is asked for. A key that is absent or null gives the fallback;
 * without a fallback it is an error. Several names of one value are tried in order.
 */
export class RawConfig {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #prefix: string;

  /**
   * @param values Parsed JSON.
   * @param prefix Where the values are, for errors.
   */
  constructor(values: unknown, prefix = 'config.json') {
    checks.expect(isObject(values), 'ERR_DTYPE', prefix, 'a JSON object', summarize(values));
    this.#values = values as Record<string, unknown>;
    this.#prefix = prefix;
  }

  /** The same values, and `defaults` for keys that are absent; null is a value. */
  withDefaults(defaults: Readonly<Record<string, unknown>>): RawConfig {
    return new RawConfig({ ...defaults, ...this.#values }, this.#prefix);
  }

  /** The same values, but for those that another one has. */
  overlaidBy(other: RawConfig): RawConfig {
    return new RawConfig({ ...this.#values, ...other.#values }, other.#prefix);
  }

  /** The same values but for these. */
  with(values: Readonly<Record<string, unknown>>): RawConfig {
    return new RawConfig({ ...this.#values, ...values }, this.#prefix);
  }

  integer(names: string | string[], fallback?: number): number {
    return this.#read(names, 'an integer >= 0', isCount, fallback) as number;
  }

  number(names: string | readonly string[], fallback?: number): number {
    return this.#read(names, 'a number > 0', isPositive, fallback) as number;
  }

  /** A number, or `undefined` if the key is absent or null. */
  numberOrNone(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  /** Any number, or `undefined` if the key is absent or null. */
  anyNumber(name: string): number | undefined {
    return this.has(name) ? (this.#read(name, 'a number', Number.isFinite) as number) : undefined;
  }

  /** A list of `length` positive numbers. */
  numbers(name: string, length: number): number[] {
    const isList = (value: unknown): boolean =>
      Array.isArray(value) && value.length === length && value.every(isPositive);
    return this.#read(name, `a list of ${length} numbers > 0`, isList) as number[];
  }

  boolean(name: string, fallback?: boolean): boolean {
    return this.#read(name, 'true or false', isBoolean, fallback) as boolean;
  }

  string(names: string | string[], fallback?: string): string {
    return this.#read(names, 'a string', isString, fallback) as string;
  }

  /** A list of integers; a single integer counts as a list of one. */
  integers(name: string, fallback: number[]): number[] {
    return [this.#read(name, 'integers', areIntegers, fallback)].flat() as number[];
  }

  /** A list of strings, or `undefined`. */
  strings(name: string): string[] | undefined {
    if (!this.has(name)) return undefined;
    return this.#read(name, 'a list of strings', areStrings) as string[];
  }

  /** Names of the keys whose values are objects. */
  get objects(): string[] {
    return Object.keys(this.#values).filter((name) => isObject(this.#values[name]));
  }

  /** The object under one of the names, or `undefined`. */
  object(...names: string[]): RawConfig | undefined {
    const name = names.find((candidate) => this.has(candidate));
    return name === undefined ? undefined : new RawConfig(this.#own(name), `${this.#prefix}: ${name}`);
  }

  /** Whether the key has a value. */
  has(name: string): boolean {
    return this.#own(name) !== undefined && this.#own(name) !== null;
  }

  /** The error for a value that is valid but not served. */
  unsupported(name: string, expected: string): AttentionError {
    const received = this.has(name) ? summarize(this.#own(name)) : 'none';
    return new AttentionError(
      'ERR_UNSUPPORTED',
      `[loadModel] ${this.#prefix}: ${name}: expected ${expected}, received ${received}`,
    );
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  #read(
    names: string | readonly string[],
    expected: string,
    valid: (value: unknown) => boolean,
    fallback?: unknown,
  ): unknown {
    const candidates = [names].flat();
    const name = candidates.find((candidate) => this.has(candidate));
    if (name === undefined && fallback !== undefined) return fallback;
    const value = name === undefined ? undefined : this.#own(name);
    const argument = `${this.#prefix}: ${name ?? candidates.join(' or ')}`;
    checks.expect(
      valid(value),
      'ERR_DTYPE',
      argument,
      expected,
      name === undefined ? 'none' : summarize(value),
    );
    return value;
  }
}
