/** Calls back when signals are aborted, with one listener a signal, however many requests share it. */
export class SignalListeners {
  readonly #callbacks = new Map<AbortSignal, Set<() => void>>();

  /** Calls `callback` when `signal` is aborted, until {@link remove}. */
  add(signal: AbortSignal, callback: () => void): void {
    const callbacks = this.#callbacks.get(signal);
    if (callbacks) {
      callbacks.add(callback);
      return;
    }
    this.#callbacks.set(signal, new Set([callback]));
    signal.addEventListener('abort', this.#onAbort);
  }

  /** Takes back what {@link add} did. */
  remove(signal: AbortSignal, callback: () => void): void {
    const callbacks = this.#callbacks.get(signal);
    callbacks?.delete(callback);
    if (callbacks?.size !== 0) return;
    this.#callbacks.delete(signal);
    signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = ({ target }: Event): void => {
    for (const callback of this.#callbacks.get(target as AbortSignal) ?? []) callback();
  };
}
