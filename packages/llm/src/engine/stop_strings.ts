/** What a piece of text turned into. */
export interface StopCheck {
  /** Text that is certainly not part of a stop string. */
  text: string;
  /** Whether a stop string was reached; it and what follows it is dropped. */
  stopped: boolean;
}

/**
 * Looks for stop strings in text that comes in pieces. Text that may turn out to be the beginning of a stop string is
 * held back until it is decided. How the text is cut into pieces makes no difference: the stop string that is complete
 * first ends the text, the longest of several that end at the same place.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';

  /** @param stops The stop strings, none of them empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** Adds a piece of text. */
  push(piece: string): StopCheck {
    const text = this.#held + piece;
    const start = this.#firstStop(text);
    if (start !== undefined) {
      this.#held = '';
      return { text: text.slice(0, start), stopped: true };
    }
    const undecided = this.#undecidedLength(text);
    this.#held = text.slice(text.length - undecided);
    return { text: text.slice(0, text.length - undecided), stopped: false };
  }

  /** The text still held back, at the end of it all. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** Where the stop string begins that is complete first. */
  #firstStop(text: string): number | undefined {
    let first: { start: number; end: number } | undefined;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      const end = start + stop.length;
      if (start === -1) continue;
      if (!first || end < first.end || (end === first.end && start < first.start)) first = { start, end };
    }
    return first?.start;
  }

  /** Length of the longest end of `text` that is the beginning of a stop string. */
  #undecidedLength(text: string): number {
    for (let length = Math.min(text.length, this.#longest - 1); length > 0; length--) {
      const end = text.slice(text.length - length);
      if (this.#stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}
