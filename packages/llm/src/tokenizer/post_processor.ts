import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import { isObject } from './tokenizer_json.ts';

const ARGUMENT = 'tokenizer.json: post_processor';
const MAX_ITEMS = 100;

const checks = new Checks('Tokenizer');

/** Ids of the special tokens that are added before and after a text. */
export interface Surrounding {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: Surrounding = { before: [], after: [] };

/**
 * The special tokens that a tokenizer.json's post-processor adds around a single text.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` for another kind of post-processor, `ERR_DTYPE` for one that is incomplete.
 */
export function surrounding(processor: object | null): Surrounding {
  if (processor === null) return NOTHING;
  const { type, processors, single, special_tokens: tokens, cls, sep } = processor as Record<string, unknown>;
  switch (type) {
    case 'ByteLevel':
      return NOTHING;
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [pairId(cls, 'cls')], after: [pairId(sep, 'sep')] };
    case 'TemplateProcessing':
      return template(single, tokens);
    case 'Sequence':
      expect(Array.isArray(processors) && processors.length <= MAX_ITEMS, 'processors', 'a list', processors);
      return (processors as unknown[]).reduce<Surrounding>((inner, item) => {
        expect(isObject(item), 'processors', 'objects', item);
        const outer = surrounding(item as object);
        return { before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] };
      }, NOTHING);
    default: {
      const known = 'TemplateProcessing, ByteLevel, BertProcessing, RobertaProcessing or Sequence';
      return checks.fail('ERR_UNSUPPORTED', `${ARGUMENT}: type`, known, summarize(type));
    }
  }
}

function expect(valid: boolean, part: string, expected: string, received: unknown): void {
  checks.expect(valid, 'ERR_DTYPE', `${ARGUMENT}: ${part}`, expected, summarize(received));
}

function pairId(pair: unknown, part: string): number {
  const id: unknown = Array.isArray(pair) ? pair[1] : undefined;
  expect(Number.isSafeInteger(id) && (id as number) >= 0, part, 'a token and its id', pair);
  return id as number;
}

function template(single: unknown, tokens: unknown): Surrounding {
  expect(
    Array.isArray(single) && single.length <= MAX_ITEMS,
    'single',
    'a list of tokens and a sequence',
    single,
  );
  const sides: [before: number[], after: number[]] = [[], []];
  let seen = 0;
  for (const item of single as unknown[]) {
    const special = isObject(item) ? item.SpecialToken : undefined;
    if (isObject(special)) sides[Math.min(1, seen)].push(...idsOf(special.id, tokens));
    else {
      expect(
        isObject(item) && isObject(item.Sequence) && item.Sequence.id === 'A',
        'single',
        'the sequence A',
        item,
      );
      seen++;
    }
  }
  expect(seen === 1, 'single', 'the sequence A once', `${seen} times`);
  return { before: sides[0], after: sides[1] };
}

function idsOf(name: unknown, tokens: unknown): number[] {
  const entry =
    isObject(tokens) && typeof name === 'string' && Object.hasOwn(tokens, name) ? tokens[name] : undefined;
  const ids = isObject(entry) ? entry.ids : undefined;
  const valid =
    Array.isArray(ids) && ids.length <= MAX_ITEMS && ids.every((id) => Number.isSafeInteger(id) && id >= 0);
  expect(valid, `special_tokens: ${summarize(name)}`, 'ids', ids);
  return ids as number[];
}
