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

/** A difference between a shader's declaration and a kernel's tables. */
interface Mismatch {
  /** The struct's field, or the function. */
  what: string;
  expected: string;
  received: string;
}

const withoutComments = (source: string): string => source.replaceAll(/\/\/.*$|\/\*[\s\S]*?\*\//gm, '');

/** The text between the parenthesis at `open` and its closing one. */
function parenthesized(source: string, open: number): string {
  let depth = 0;
  for (let i = open; i < source.length; i++) {
    if (source[i] === '(') depth++;
    else if (source[i] === ')' && --depth === 0) return source.slice(open + 1, i);
  }
  return source.slice(open + 1);
}

/** A function's buffers by index, with their names and types. */
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

/** Resolves an array length: a number, or a constant defined in the source. */
function lengthOf(text: string, source: string): string {
  if (/^\d+$/.test(text)) return text;
  return new RegExp(`\\bconstexpr\\s+\\w+\\s+${text}\\s*=\\s*(\\d+)`).exec(source)?.[1] ?? text;
}

/** The fields of a struct, in the form `width:uint32` or `shape:uint32[6]`. */
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

/** The first difference between two lists. */
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
  // A kernel without parameters binds no struct.
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
 * Checks that a shader's declarations match a kernel's tables: names and order of buffers, and names, types, sizes and
 * order of parameters.
 *
 * @param shader Name of the shader, for errors.
 * @param source The shader's source, with headers inlined.
 * @throws AttentionError `ERR_DEVICE` with the shader, the position, expected and received.
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
