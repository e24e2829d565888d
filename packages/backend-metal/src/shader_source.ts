import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** The published package contains the shaders; in the repository, they are at its root. */
const folders = ['../kernels/metal/', '../../../kernels/metal/'].map(
  (path) => new URL(path, import.meta.url),
);

const folder = folders.find((candidate) => existsSync(candidate));

function read(name: string): string | undefined {
  const file = folder && new URL(name, folder);
  return file && existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** Paths of the shaders by stem, such as `norm/rms_norm.metal`. */
const shaders = new Map(
  (folder ? (readdirSync(folder, { recursive: true }) as string[]) : [])
    .filter((name) => name.endsWith('.metal'))
    .map((name) => [/([^/]+)\.metal$/.exec(name)![1], name]),
);

/** Replaces each `#include "folder/x.h"` with the text of that header, once per header. */
export function inlineHeaders(source: string, included = new Set<string>()): string {
  return source.replace(/^[ \t]*#include[ \t]+"([^"]+)".*$/gm, (line, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    const header = read(name);
    // Leave an unknown header to the compiler, whose error names the line.
    return header === undefined ? line : inlineHeaders(header.replace(/^#pragma once.*$/m, ''), included);
  });
}

/** The stems of all shaders in kernels/metal. */
export const shaderStems: readonly string[] = [...shaders.keys()];

/** The source of STEM.metal, with our headers inlined. */
export function shaderSource(stem: string): string {
  const source = read(shaders.get(stem) ?? '');
  if (!source) throw new Error(`no shader ${stem}.metal in ${folders.join(' or ')}`);
  return inlineHeaders(source);
}
