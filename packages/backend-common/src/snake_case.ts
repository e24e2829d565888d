/**
 * Converts a TypeScript name to its C++ name: `addUnitOffset` to `add_unit_offset`, `ClipByValue` to `clip_by_value`.
 */
export const toSnakeCase = (name: string): string =>
  name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
