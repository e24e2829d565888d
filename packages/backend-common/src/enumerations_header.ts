import { enumerations } from './enumerations.ts';
import { toSnakeCase } from './snake_case.ts';

function declare([name, numbers]: [string, Readonly<Record<string, number>>]): string {
  const lines = Object.entries(numbers).map(([key, number]) => `  ${toSnakeCase(key)} = ${number},`);
  return `enum class ${name} : int {\n${lines.join('\n')}\n};\n`;
}

/** The text of enumerations.h for CUDA and Metal kernels. */
export function enumerationsHeader(): string {
  const declarations = Object.entries(enumerations).map(declare).join('\n');
  return [
    '// Written by `npm run enumerations` from packages/backend-common/src/enumerations.ts.\n#pragma once\n',
    `namespace attention {\n\n${declarations}\n}  // namespace attention\n`,
  ].join('\n');
}
