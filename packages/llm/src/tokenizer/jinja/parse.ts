import { parse as parseTokens, tokenize } from '@huggingface/jinja';
import type { Node } from './syntax.ts';
import { TemplateError } from './values.ts';

/** A token of the library, which does not export the type. */
interface Token {
  value: string;
  type: string;
}

/** Real templates have up to some ten thousand characters. */
const MAX_SOURCE_LENGTH = 2 ** 20;
/** The library's tokenizer scans runs of white space more than once per character. */
const MAX_SPACE_LENGTH = 2000;
const MAX_DEPTH = 200;

/** Prefixes of filter names that stand for tests with arguments, which the library's parser does not support. */
export const TEST_PREFIX = 'is ';
export const NEGATED_TEST_PREFIX = 'is not ';

const WORDS = new Set(['else', 'or', 'and', 'is', 'if', 'not', 'in']);
const CLOSING: Readonly<Record<string, string>> = {
  OpenParen: 'CloseParen',
  OpenSquareBracket: 'CloseSquareBracket',
  OpenCurlyBracket: 'CloseCurlyBracket',
};

/**
 * Parses a template: jinja2's syntax with `trim_blocks` and `lstrip_blocks`, as transformers sets them.
 *
 * @throws TemplateError for an invalid template, and for one larger than any model's.
 */
export function parse(source: string): Node[] {
  if (source.length > MAX_SOURCE_LENGTH) throw new TemplateError(`more than ${MAX_SOURCE_LENGTH} characters`);
  const text = source.replace(/\r\n?/g, '\n');
  if (new RegExp(`\\s{${MAX_SPACE_LENGTH}}`).test(text)) {
    throw new TemplateError(`more than ${MAX_SPACE_LENGTH} characters of white space in a row`);
  }
  try {
    const tokens = withTestCalls(tokenize(text, { trim_blocks: true, lstrip_blocks: true }) as Token[]);
    checkDepth(tokens);
    const program = parseTokens(tokens as Parameters<typeof parseTokens>[0]) as unknown as Extract<
      Node,
      { type: 'Program' }
    >;
    return program.body;
  } catch (cause) {
    throw cause instanceof TemplateError ? cause : new TemplateError((cause as Error).message, { cause });
  }
}

/** Limits the nesting of brackets, because the parser recurses into them. */
function checkDepth(tokens: readonly Token[]): void {
  let depth = 0;
  for (const { type } of tokens) {
    if (type in CLOSING) depth++;
    else if (Object.values(CLOSING).includes(type)) depth--;
    if (depth > MAX_DEPTH) throw new TemplateError(`more than ${MAX_DEPTH} brackets within each other`);
  }
}

/** Turns `x is divisibleby(3)` and `x is divisibleby 3` into a call of a filter. */
function withTestCalls(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const isTest = isWord(tokens[i], 'is') && i > 0;
    const negated = isTest && isWord(tokens[i + 1], 'not');
    const at = i + (negated ? 2 : 1);
    if (!isTest || tokens[at]?.type !== 'Identifier' || !beginsArgument(tokens[at + 1])) {
      result.push(tokens[i]);
      continue;
    }
    const end = endOfArgument(tokens, at + 1);
    const name = (negated ? NEGATED_TEST_PREFIX : TEST_PREFIX) + tokens[at].value;
    const inner = withTestCalls(tokens.slice(at + 1, end));
    const isCall = tokens[at + 1].type === 'OpenParen';
    result.push(token('|', 'Pipe'), token(name, 'Identifier'));
    result.push(...(isCall ? inner : [token('(', 'OpenParen'), ...inner, token(')', 'CloseParen')]));
    i = end - 1;
  }
  return result;
}

function token(value: string, type: string): Token {
  return { value, type };
}

function isWord(candidate: Token | undefined, word: string): boolean {
  return candidate?.type === 'Identifier' && candidate.value === word;
}

function beginsArgument(candidate: Token | undefined): boolean {
  if (!candidate) return false;
  if (candidate.type === 'Identifier') return !WORDS.has(candidate.value);
  return (
    candidate.type in CLOSING || candidate.type === 'StringLiteral' || candidate.type === 'NumericLiteral'
  );
}

/** The position after a literal, a name with members, or a bracketed expression. */
function endOfArgument(tokens: readonly Token[], begin: number): number {
  const bracketEnd = (open: number): number => {
    let depth = 0;
    for (let i = open; i < tokens.length; i++) {
      if (tokens[i].type in CLOSING) depth++;
      else if (Object.values(CLOSING).includes(tokens[i].type)) depth--;
      if (depth === 0) return i + 1;
    }
    return tokens.length;
  };
  let end = tokens[begin].type in CLOSING ? bracketEnd(begin) : begin + 1;
  if (tokens[begin].type !== 'Identifier') return end;
  for (;;) {
    if (tokens[end]?.type === 'Dot') end += 2;
    else if (tokens[end]?.type === 'OpenSquareBracket') end = bracketEnd(end);
    else return end;
  }
}
