import { AttentionError } from './errors.ts';

/** A copy of a package, of which a process may load several. */
export interface PackageCopy {
  /** Name of the package. */
  name: string;
  /** Its version. */
  version: string;
  /** Version of the format of the shared state; copies with the same format can use each other's state. */
  format: number;
  /** Where this copy was loaded from. */
  url: string;
}

/** The result of {@link sharedState}. */
export interface SharedState<State> {
  /** The same object for all copies. */
  state: State;
  /** Whether this copy made it. */
  isFirst: boolean;
}

interface Slot {
  copy: PackageCopy;
  state: object;
}

const describeCopy = ({ version, format, url }: PackageCopy): string =>
  `version ${version} (format ${format}) at ${url}`;

/**
 * Gives all copies of a package in this process one state. tfjs has one engine and one registry of kernels per process,
 * however many copies of a package npm installed, so the package's own state must also be unique.
 *
 * @param copy The calling copy.
 * @param make Makes the state if no copy has made it yet.
 * @throws AttentionError `ERR_UNSUPPORTED` if a copy of another format was loaded before; the message names both.
 */
export function sharedState<State extends object>(copy: PackageCopy, make: () => State): SharedState<State> {
  const slots = globalThis as unknown as Record<symbol, Slot | undefined>;
  const key = Symbol.for(copy.name);
  const slot = slots[key];
  if (!slot) {
    const state = make();
    Object.defineProperty(globalThis, key, { value: { copy, state } satisfies Slot });
    return { state, isFirst: true };
  }
  if (slot.copy.format === copy.format) return { state: slot.state as State, isFirst: false };
  throw new AttentionError(
    'ERR_UNSUPPORTED',
    `[${copy.name}] expected one version in a process, received ${describeCopy(slot.copy)} and ` +
      `${describeCopy(copy)}; install one of them (npm ls ${copy.name} shows who asks for which)`,
  );
}
