/** A token that is matched in a text before the text is split into pieces, as described in tokenizer.json. */
export interface AddedToken {
  readonly content: string;
  /** Matches only if no letter, digit or underscore is adjacent. */
  readonly singleWord: boolean;
  /** Absorbs white space on its left. */
  readonly lstrip: boolean;
  /** Absorbs white space on its right. */
  readonly rstrip: boolean;
  /** Is matched in the normalized text. */
  readonly normalized: boolean;
  /** Is omitted from decoded text. */
  readonly special: boolean;
}

/** A section of a text: an added token, or the text between two of them and its position. */
export type Section = { id: number } | { text: string; begin: number };

interface TrieNode {
  next: Map<number, TrieNode>;
  id?: number;
}

const ENDS_WITH_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;
const SPACE = /\p{White_Space}/u;

/**
 * The tokens that were added to a tokenizer's model, and how they are matched in text.
 *
 * @see https://huggingface.co/docs/tokenizers: `AddedVocabulary`, whose rules for ids, flags and overlaps these are.
 */
export class AddedVocabulary {
  readonly #modelId: (content: string) => number | undefined;
  readonly #modelSize: number;
  readonly #tokens = new Map<number, AddedToken>();
  readonly #ids = new Map<string, number>();
  readonly #special = new Set<string>();
  readonly #splitSpecialTokens: boolean;
  #raw: TrieNode = { next: new Map() };
  #normalized: TrieNode = { next: new Map() };

  /**
   * @param modelId Looks up a token's id in the model's own vocabulary.
   * @param modelSize Number of tokens in the model's vocabulary.
   * @param splitSpecialTokens Whether special tokens in a text are split like ordinary text.
   */
  constructor(
    modelId: (content: string) => number | undefined,
    modelSize: number,
    splitSpecialTokens: boolean,
  ) {
    this.#modelId = modelId;
    this.#modelSize = modelSize;
    this.#splitSpecialTokens = splitSpecialTokens;
  }

  /** All added tokens by id. */
  get tokens(): ReadonlyMap<number, AddedToken> {
    return this.#tokens;
  }

  /**
   * Adds a token, or changes the flags of an existing one. Its id is the one in the model's vocabulary, or else the
   * next free one.
   */
  add(token: AddedToken): void {
    if (token.content === '') return;
    const id = this.#ids.get(token.content) ?? this.#modelId(token.content) ?? this.#nextId();
    this.#tokens.set(id, token);
    this.#ids.set(token.content, id);
    if (token.special) this.#special.add(token.content);
  }

  /** Prepares {@link splitRaw} and {@link splitNormalized}. Call it after adding the last token. */
  finish(normalize: (text: string) => string): void {
    this.#raw = { next: new Map() };
    this.#normalized = { next: new Map() };
    for (const [id, token] of this.#tokens) {
      if (this.#splitSpecialTokens && this.#special.has(token.content)) continue;
      if (token.normalized) insert(this.#normalized, normalize(token.content), id);
      else insert(this.#raw, token.content, id);
    }
  }

  /** The id of an added token. */
  idOf(content: string): number | undefined {
    return this.#ids.get(content);
  }

  /** Whether decoded text omits a token. */
  isSpecial(content: string): boolean {
    return this.#special.has(content);
  }

  /** Matches tokens in the original text. */
  splitRaw(text: string): Section[] {
    return this.#split(text, this.#raw);
  }

  /** Matches the other tokens in a normalized text. */
  splitNormalized(text: string): Section[] {
    return this.#split(text, this.#normalized);
  }

  #nextId(): number {
    let largest = this.#modelSize - 1;
    for (const id of this.#tokens.keys()) largest = Math.max(largest, id);
    return largest + 1;
  }

  #split(text: string, trie: TrieNode): Section[] {
    const sections: Section[] = [];
    if (trie.next.size === 0) return text === '' ? [] : [{ text, begin: 0 }];
    let done = 0;
    for (let i = 0; i < text.length;) {
      const match = longestMatch(trie, text, i);
      if (!match) {
        i++;
        continue;
      }
      const token = this.#tokens.get(match.id) as AddedToken;
      const stop = i + match.length;
      const fits = !token.singleWord || isSingleWord(text, i, stop);
      if (fits) {
        const begin = token.lstrip ? Math.max(done, spaceBefore(text, i)) : i;
        const end = token.rstrip ? spaceAfter(text, stop) : stop;
        if (done < begin) sections.push({ text: text.slice(done, begin), begin: done });
        sections.push({ id: match.id });
        done = end;
      }
      i = Math.max(stop, done);
    }
    if (done < text.length) sections.push({ text: text.slice(done), begin: done });
    return sections;
  }
}

function insert(trie: TrieNode, content: string, id: number): void {
  let node = trie;
  for (let i = 0; i < content.length; i++) {
    const unit = content.charCodeAt(i);
    const next = node.next.get(unit) ?? { next: new Map() };
    node.next.set(unit, next);
    node = next;
  }
  if (node !== trie) node.id ??= id;
}

function longestMatch(
  trie: TrieNode,
  text: string,
  begin: number,
): { id: number; length: number } | undefined {
  let found: { id: number; length: number } | undefined;
  let node: TrieNode | undefined = trie;
  for (let i = begin; i < text.length; i++) {
    node = node.next.get(text.charCodeAt(i));
    if (!node) break;
    if (node.id !== undefined) found = { id: node.id, length: i + 1 - begin };
  }
  return found;
}

function isSingleWord(text: string, begin: number, end: number): boolean {
  return (
    !ENDS_WITH_WORD.test(text.slice(Math.max(0, begin - 2), begin)) &&
    !STARTS_WITH_WORD.test(text.slice(end, end + 2))
  );
}

function spaceBefore(text: string, end: number): number {
  let begin = end;
  while (begin > 0 && SPACE.test(text[begin - 1])) begin--;
  return begin;
}

function spaceAfter(text: string, begin: number): number {
  let end = begin;
  while (end < text.length && SPACE.test(text[end])) end++;
  return end;
}
