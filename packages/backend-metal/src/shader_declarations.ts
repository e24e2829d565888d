import { toSnakeCase } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import type { ShaderKernel } from './shader_kernel.ts';

const SCALARS: Readonly<Record<string, string>> = {
  int: 'int32',
  uint: 'uint32',
  float: 'float32',
  long: 'int64',
  ulong: 'uint64',
};

/** A declaration in a shader that a kernel's tables contradict. */
interface Mismatch {
  /** Where: a struct's field, or the function. */
  what: string;
  expected: string;
  received: string;
}

const withoutComments = (source: string): string => source.replaceAll(/\/\/.*$|\/\*[\s\S]*?\*\//gm, '');

/** The text between the parenthesis at `open` and the one that closes it. */
function parenthesized(source: string, open: number): string {
  let depth = 0;
  for (let i = open; i < source.length; i++) {
    if (source[i] === '(') depth++;
    else if (source[i] === ')' && --depth === 0) return source.slice(open + 1, i);
  }
  return source.slice(open + 1);
}

/** The names of a function's buffers by index, and the type of the last one if that is a parameter struct. */
function declaredBuffers(source: string, functionName: string): { name: string; type: string }[] | undefined {
  const found = new RegExp(`\\bkernel\\b[\\s\\]]*\\bvoid\\s+${functionName}\\s*\\(`).exec(source);
  if (!found) return undefined;
  const buffers: { name: string; type: string }[] = [];
  const argumentsText = parenthesized(source, found.index + found[0].length - 1);
  for (const [, type, name, index] of argumentsText.matchAll(
    /([^,()[\]]+?)\s*[*&]\s*(\w+)\s*\[\[\s*buffer\((\d+)\)/g,
  )) {
    buffers[Number(index)] = { name, type: type.trim() };
  }
  return buffers;
}

/** A number, or a constant that the source gives a number. */
function lengthOf(text: string, source: string): string {
  if (/^\d+$/.test(text)) return text;
  return new RegExp(`\\bconstexpr\\s+\\w+\\s+${text}\\s*=\\s*(\\d+)`).exec(source)?.[1] ?? text;
}

/** The fields of a struct, `width:uint32`, `shape:uint32[6]`. */
function declaredFields(source: string, structName: string): string[] | undefined {
  const body = new RegExp(`\\bstruct\\s+${structName}\\s*\\{([^}]*)\\}`).exec(source)?.[1];
  return body
    ?.split(';')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [, type, name, length] = /^([\w\s]+?)\s+(\w+)(?:\s*\[\s*(\w+)\s*\])?$/.exec(line) ?? [];
      if (name === undefined) return line;
      return `${name}:${SCALARS[type] ?? type}${length === undefined ? '' : `[${lengthOf(length, source)}]`}`;
    });
}

/** The first that differs of two lists. */
function firstDifference(expected: readonly string[], received: readonly string[]) {
  const count = Math.max(expected.length, received.length);
  for (let i = 0; i < count; i++) {
    if (expected[i] !== received[i])
      return { index: i, expected: expected[i] ?? 'nothing', received: received[i] ?? 'nothing' };
  }
  return undefined;
}

function findMismatch(source: string, kernel: ShaderKernel): Mismatch | undefined {
  const { table, tensorNames, place } = kernel;
  const buffers = declaredBuffers(source, place.function);
  if (!buffers) return { what: place.function, expected: 'a kernel of this name', received: 'none' };
  const wanted = tensorNames.map(toSnakeCase);
  // Without parameters none are bound.
  if (table.byteLength > 0) wanted.push(`constant ${table.structName}& params`);
  const declared = Array.from(buffers, (buffer) => {
    if (!buffer) return 'nothing';
    return buffer.type.startsWith('constant ') ? `${buffer.type}& ${buffer.name}` : buffer.name;
  });
  const buffer = firstDifference(wanted, declared);
  if (buffer) return { ...buffer, what: `${place.function}, buffer ${buffer.index}` };
  if (table.byteLength === 0) return undefined;
  const fields = declaredFields(source, table.structName);
  if (!fields) return { what: table.structName, expected: 'a struct of this name', received: 'none' };
  const [layout] = table.layout.split(';');
  const wantedFields = layout
    .split(',')
    .map((field) => field.replace(/@\d+$/, '').replace(':bool', ':uint32'));
  const field = firstDifference(wantedFields, fields);
  return field && { ...field, what: `${table.structName}, field ${field.index}` };
}

/**
 * Compares what a shader declares with a kernel's tables: names and order of its buffers, and names, types, sizes and order of
 * its parameters.
 *
 * @param shader Name of the shader, for errors.
 * @param source Its source, with headers inlined.
 * @throws AttentionError `ERR_DEVICE`, naming shader, place, expected and received.
 */
export function checkDeclarations(shader: string, source: string, kernel: ShaderKernel): void {
  const mismatch = findMismatch(withoutComments(source), kernel);
  if (!mismatch) return;
  const { what, expected, received } = mismatch;
  throw new AttentionError(
    'ERR_DEVICE',
    `[metal] ${shader}: ${what}: expected ${expected}, received ${received} in the shader`,
  );
}
