import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** The published package has the shaders inside; in the repository they lie at its root. */
const folders = ['../kernels/metal/', '../../../kernels/metal/'].map(
  (path) => new URL(path, import.meta.url),
);

const folder = folders.find((candidate) => existsSync(candidate));

function read(name: string): string | undefined {
  const file = folder && new URL(name, folder);
  return file && existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** Names of the shaders, `norm/rms_norm.metal`, by stem. */
const shaders = new Map(
  (folder ? (readdirSync(folder, { recursive: true }) as string[]) : [])
    .filter((name) => name.endsWith('.metal'))
    .map((name) => [/([^/]+)\.metal$/.exec(name)![1], name]),
);

/** Puts in the place of each `#include "folder/x.h"` the text of our header of that name, each header once. */
export function inlineHeaders(source: string, included = new Set<string>()): string {
  return source.replace(/^[ \t]*#include[ \t]+"([^"]+)".*$/gm, (line, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    const header = read(name);
    // An unknown header is left to the compiler, which names the line.
    return header === undefined ? line : inlineHeaders(header.replace(/^#pragma once.*$/m, ''), included);
  });
}

/** The stems of all shaders in kernels/metal. */
export const shaderStems: readonly string[] = [...shaders.keys()];

/** The source of the shader STEM.metal in a folder of kernels/metal, with our headers inlined. */
export function shaderSource(stem: string): string {
  const source = read(shaders.get(stem) ?? '');
  if (!source) throw new Error(`no shader ${stem}.metal in ${folders.join(' or ')}`);
  return inlineHeaders(source);
}
