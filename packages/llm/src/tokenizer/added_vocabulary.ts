/** A token that is found in a text before the text is cut into pieces, as tokenizer.json describes it. */
export interface AddedToken {
  readonly content: string;
  /** Only where no letter, digit or underscore is beside it. */
  readonly singleWord: boolean;
  /** Takes white space on its left along. */
  readonly lstrip: boolean;
  /** Takes white space on its right along. */
  readonly rstrip: boolean;
  /** Is looked for in the normalized text. */
  readonly normalized: boolean;
  /** Is left out of decoded texts. */
  readonly special: boolean;
}

/** A piece of a text: an added token, or what lies between them and where that begins. */
export type Section = { id: number } | { text: string; begin: number };

interface TrieNode {
  next: Map<number, TrieNode>;
  id?: number;
}

const ENDS_WITH_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;
const SPACE = /\p{White_Space}/u;

/**
 * The tokens that were added to a tokenizer's model, and how they are found in texts.
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
   * @param modelId Id of a text in the model's own vocabulary.
   * @param modelSize Tokens in it.
   * @param splitSpecialTokens Whether special tokens in a text are cut into pieces like other texts.
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

  /** Every added token with its id. */
  get tokens(): ReadonlyMap<number, AddedToken> {
    return this.#tokens;
  }

  /** Adds a token, or changes the flags of one that is there. Its id is that in the model's vocabulary, or the next one. */
  add(token: AddedToken): void {
    if (token.content === '') return;
    const id = this.#ids.get(token.content) ?? this.#modelId(token.content) ?? this.#nextId();
    this.#tokens.set(id, token);
    this.#ids.set(token.content, id);
    if (token.special) this.#special.add(token.content);
  }

  /** Gets ready for {@link splitRaw} and {@link splitNormalized} once all tokens are there. */
  finish(normalize: (text: string) => string): void {
    this.#raw = { next: new Map() };
    this.#normalized = { next: new Map() };
    for (const [id, token] of this.#tokens) {
      if (this.#splitSpecialTokens && this.#special.has(token.content)) continue;
      if (token.normalized) insert(this.#normalized, normalize(token.content), id);
      else insert(this.#raw, token.content, id);
    }
  }

  /** Id of an added token. */
  idOf(content: string): number | undefined {
    return this.#ids.get(content);
  }

  /** Whether decoded texts leave a token out. */
  isSpecial(content: string): boolean {
    return this.#special.has(content);
  }

  /** Finds tokens in a text as it is. */
  splitRaw(text: string): Section[] {
    return this.#split(text, this.#raw);
  }

  /** Finds the other tokens in a normalized text. */
  splitNormalized(text: string): Section[] {
    return this.#split(text, this.#normalized);
  }

  #nextId(): number {
    let most = this.#modelSize - 1;
    for (const id of this.#tokens.keys()) most = Math.max(most, id);
    return most + 1;
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
