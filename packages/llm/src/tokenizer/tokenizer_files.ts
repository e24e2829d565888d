import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttentionError, Checks } from '@attention-js/core';
import { parseJson } from '../parse_json.ts';
import { readOptionalText } from '../read_optional_text.ts';
import { summarize } from '../summarize.ts';
import { tokenizerClass } from './tokenizer_class.ts';
import type { TokenizerConfig } from './tokenizer_config.ts';
import { isObject } from './tokenizer_json.ts';

const TEMPLATE_FOLDER = 'additional_chat_templates';
const MAX_TEMPLATES = 100;

const checks = new Checks('loadModel');

/** A folder's tokenizer files, merged into the content of two. */
export interface TokenizerFiles {
  tokenizer: object;
  config: TokenizerConfig;
}

/**
 * Reads a folder's tokenizer files. special_tokens_map.json and added_tokens.json apply only if tokenizer_config.json
 * has no `added_tokens_decoder`. Template files take precedence over the template in tokenizer_config.json.
 *
 * @throws AttentionError `ERR_RANGE` when tokenizer.json is missing or a file cannot be read, `ERR_DTYPE` when a file does
 * not hold JSON of its kind.
 */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const [tokenizer, config, tokensMap, addedTokens, modelConfig, templates] = await Promise.all([
    readObject(directory, 'tokenizer.json'),
    readObject(directory, 'tokenizer_config.json'),
    readObject(directory, 'special_tokens_map.json'),
    readObject(directory, 'added_tokens.json'),
    readObject(directory, 'config.json'),
    readTemplates(directory),
  ]);
  if (tokenizer === undefined) {
    const message = `[Tokenizer.load] directory: expected a folder with a tokenizer.json, received "${directory}"`;
    throw new AttentionError('ERR_RANGE', message);
  }
  const merged = withLegacyFiles(config ?? {}, tokensMap, addedTokens, tokenizer);
  return {
    tokenizer,
    config: {
      ...merged,
      tokenizer_class: tokenizerClass(
        text(modelConfig?.model_type),
        text(config?.tokenizer_class) ?? text(modelConfig?.tokenizer_class),
      ),
      ...(templates ? { chat_template: templates } : {}),
    },
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

async function readObject(directory: string, file: string): Promise<Record<string, unknown> | undefined> {
  const content = await readOptionalText(directory, file);
  if (content === undefined) return undefined;
  const json = parseJson(content, file);
  checks.expect(isObject(json), 'ERR_DTYPE', file, 'a JSON object', summarize(json));
  return json as Record<string, unknown>;
}

/** The content of chat_template.jinja, or several templates by name if there is a folder of them. */
async function readTemplates(directory: string): Promise<string | Record<string, string> | undefined> {
  const single = await readOptionalText(directory, 'chat_template.jinja');
  const names = await readdir(join(directory, TEMPLATE_FOLDER)).catch(() => []);
  const files = names.filter((name) => name.endsWith('.jinja')).slice(0, MAX_TEMPLATES);
  if (files.length === 0) return single;
  const entries = await Promise.all(
    files.map(async (file) => [
      file.replace(/\.jinja$/, ''),
      (await readOptionalText(directory, join(TEMPLATE_FOLDER, file))) ?? '',
    ]),
  );
  return { ...(single === undefined ? {} : { default: single }), ...(Object.fromEntries(entries) as object) };
}

function withLegacyFiles(
  config: Record<string, unknown>,
  tokensMap: Record<string, unknown> | undefined,
  addedTokens: Record<string, unknown> | undefined,
  tokenizer: Record<string, unknown>,
): Record<string, unknown> {
  if (config.added_tokens_decoder !== undefined) return config;
  const merged = { ...config, ...tokensMap };
  if (!addedTokens) return merged;
  const special = new Set(Object.values(merged).flat().map(contentOf));
  const entries = Object.entries(addedTokens).map(([content, id]) => {
    checks.expect(
      Number.isSafeInteger(id) && (id as number) >= 0,
      'ERR_DTYPE',
      `added_tokens.json: ${summarize(content)}`,
      'an id',
      summarize(id),
    );
    const isSpecial = special.has(content);
    return [id, { content, special: isSpecial, normalized: !isSpecial }];
  });
  const own = (Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : []).filter(isObject);
  return {
    ...merged,
    added_tokens_decoder: {
      ...(Object.fromEntries(entries) as object),
      ...Object.fromEntries(own.map((token) => [String(token.id), token])),
    },
  };
}

function contentOf(token: unknown): unknown {
  return isObject(token) ? token.content : token;
}
