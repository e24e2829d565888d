/** The C++ name of what TypeScript calls `addUnitOffset` or `ClipByValue`: `add_unit_offset`, `clip_by_value`. */
export const toSnakeCase = (name: string): string =>
  name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
