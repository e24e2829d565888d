import { existsSync, readFileSync } from 'node:fs';

/** The published package has the shaders inside; in the repository they lie at its root. */
const folders = ['../kernels/metal/', '../../../kernels/metal/'].map(
  (path) => new URL(path, import.meta.url),
);

function read(name: string): string | undefined {
  const folder = folders.find((candidate) => existsSync(new URL(name, candidate)));
  return folder && readFileSync(new URL(name, folder), 'utf8');
}

/** Puts in the place of each `#include "x.h"` the text of our header of that name, each header once. */
export function inlineHeaders(source: string, included = new Set<string>()): string {
  return source.replace(/^[ \t]*#include[ \t]+"([^"]+)".*$/gm, (line, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    const header = read(name);
    // An unknown header is left to the compiler, which names the line.
    return header === undefined ? line : inlineHeaders(header.replace(/^#pragma once.*$/m, ''), included);
  });
}

/** The source of `kernels/metal/STEM.metal`, with our headers inlined. */
export function shaderSource(stem: string): string {
  const source = read(`${stem}.metal`);
  if (source === undefined) throw new Error(`no shader ${stem}.metal in ${folders.join(' or ')}`);
  return inlineHeaders(source);
}
