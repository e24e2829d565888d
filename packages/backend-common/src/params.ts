import { AttentionError } from '@attention-js/core';
import { toSnakeCase } from './snake_case.ts';

/**
 * Scalar types of a parameter struct. `int64` and `uint64` are aligned to 8 bytes and take integers up to 2⁵³; the
 * others have 4 bytes. A `bool` also has 4 bytes, 0 or 1, because WGSL has no smaller type: it is `bool32` in C++ and
 * `uint` in a shader.
 */
export type ScalarType = 'bool' | 'int32' | 'uint32' | 'float32' | 'int64' | 'uint64';

/** A scalar, or an array of fixed length: `int64[6]`. */
export type FieldType = ScalarType | `${ScalarType}[${number}]`;

/** Fields of a struct in the order of its C++ declaration. */
export type ParamFields = Readonly<Record<string, FieldType>>;

/** The JavaScript type of a scalar. */
export type ScalarValue<Type> = Type extends 'bool' ? boolean : number;

/** The JavaScript type of a field. */
export type FieldValue<Type extends FieldType> = Type extends `${infer Scalar}[${number}]`
  ? readonly ScalarValue<Scalar>[]
  : ScalarValue<Type>;

/** Values of all fields. An array may be shorter than its field; the rest is filled with zeros. */
export type ParamValues<Fields extends ParamFields> = {
  readonly [Name in keyof Fields]: FieldValue<Fields[Name]>;
};

/** A field and its offset. */
interface Field {
  name: string;
  type: ScalarType;
  /** Length of an array; `undefined` for a scalar. */
  length: number | undefined;
  offset: number;
}

const BYTES: Readonly<Record<ScalarType, number>> = {
  bool: 4,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
};

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/**
 * A parameter struct with the layout that C++, CUDA and Metal give these fields. It packs values; {@link checkLayout}
 * compares its {@link layout} with the one that the native code describes.
 */
export class ParamsTable<Fields extends ParamFields = ParamFields> {
  /** Name of the C++ struct. */
  readonly structName: string;
  readonly byteLength: number;
  /** `rows:int64@0,add_unit_offset:bool@8,shape:int64[6]@16;size=64`: names in snake_case, and offsets in bytes. */
  readonly layout: string;
  readonly #fields: readonly Field[];

  /** @internal Use {@link paramsTable}. */
  constructor(structName: string, fields: Fields) {
    let offset = 0;
    let alignment = 1;
    this.#fields = Object.entries(fields).map(([name, fieldType]) => {
      const [, type, length] = /^([a-z0-9]+)(?:\[(\d+)\])?$/.exec(fieldType) as unknown as [
        string,
        ScalarType,
        string?,
      ];
      const bytes = BYTES[type];
      const field = {
        name,
        type,
        length: length === undefined ? undefined : Number(length),
        offset: roundUp(offset, bytes),
      };
      offset = field.offset + bytes * (field.length ?? 1);
      alignment = Math.max(alignment, bytes);
      return field;
    });
    this.structName = structName;
    this.byteLength = roundUp(offset, alignment);
    const places = this.#fields.map(
      ({ name, offset: start }) => `${toSnakeCase(name)}:${fields[name]}@${start}`,
    );
    this.layout = `${places.join()};size=${this.byteLength}`;
  }

  /**
   * Writes the struct at `byteOffset`, little-endian. Padding bytes are not written.
   *
   * @throws AttentionError `ERR_RANGE` if an integer does not fit in its field or an array is too long; `ERR_DTYPE` if
   * a value is not a number, boolean or array as required.
   */
  pack(view: DataView, byteOffset: number, values: ParamValues<Fields>): void {
    const given = values as Readonly<Record<string, unknown>>;
    for (const field of this.#fields) {
      const value = given[field.name];
      const start = byteOffset + field.offset;
      if (field.length === undefined) this.#packScalar(view, start, field, value);
      else if (Array.isArray(value)) this.#packArray(view, start, field, field.length, value);
      else this.#fail('ERR_DTYPE', field, 'an array', typeof value);
    }
  }

  #packArray(view: DataView, start: number, field: Field, length: number, values: readonly unknown[]): void {
    if (values.length > length) this.#fail('ERR_RANGE', field, `at most ${length} elements`, values.length);
    const bytes = BYTES[field.type];
    const zero = field.type === 'bool' ? false : 0;
    for (let i = 0; i < length; i++) {
      this.#packScalar(view, start + i * bytes, field, i < values.length ? values[i] : zero);
    }
  }

  #packScalar(view: DataView, offset: number, field: Field, value: unknown): void {
    if (field.type === 'bool') {
      if (typeof value !== 'boolean') this.#fail('ERR_DTYPE', field, 'a boolean', typeof value);
      view.setUint32(offset, value ? 1 : 0, true);
      return;
    }
    if (typeof value !== 'number') this.#fail('ERR_DTYPE', field, 'a number', typeof value);
    switch (field.type) {
      case 'float32':
        view.setFloat32(offset, value, true);
        break;
      case 'int32':
        if ((value | 0) !== value) this.#fail('ERR_RANGE', field, 'an int32', value);
        view.setInt32(offset, value, true);
        break;
      case 'uint32':
        if (value >>> 0 !== value) this.#fail('ERR_RANGE', field, 'a uint32', value);
        view.setUint32(offset, value, true);
        break;
      default:
        if (!Number.isSafeInteger(value) || (value < 0 && field.type === 'uint64')) {
          this.#fail('ERR_RANGE', field, `an integer of type ${field.type} below 2^53`, value);
        }
        view.setUint32(offset, value, true); // modulo 2³²
        view.setInt32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
    }
  }

  #fail(code: 'ERR_RANGE' | 'ERR_DTYPE', field: Field, expected: string, received: string | number): never {
    const { name } = field;
    throw new AttentionError(
      code,
      `[${this.structName}] ${name}: expected ${expected}, received ${received}`,
    );
  }
}

/**
 * The table of an op's parameters, defined once beside the op's kernel:
 * `paramsTable('RmsNormParams', { rows: 'int64', width: 'int32', epsilon: 'float32', addUnitOffset: 'bool' })`.
 *
 * @param structName Name of the struct in C++.
 * @param fields Fields in the order of the C++ struct, which has their names in snake_case.
 */
export function paramsTable<const Fields extends ParamFields>(
  structName: string,
  fields: Fields,
): ParamsTable<Fields> {
  return new ParamsTable(structName, fields);
}

/**
 * Checks a table against the layout that native code describes, in the format of {@link ParamsTable.layout}.
 *
 * @param operation Name of the op, for errors.
 * @throws AttentionError `ERR_ADDON_MISSING` with the op, the first field that differs, expected and received: the
 * native code was built from other sources.
 */
export function checkLayout(operation: string, table: ParamsTable, received: string): void {
  if (table.layout === received) return;
  const expectedParts = table.layout.split(/[,;]/);
  const receivedParts = received.split(/[,;]/);
  const index = expectedParts.findIndex((part, i) => part !== receivedParts[i]);
  const wanted = expectedParts[index] ?? 'the end';
  const [name] = wanted.split(/[:=]/);
  throw new AttentionError(
    'ERR_ADDON_MISSING',
    `[${operation}] ${table.structName}.${name}: expected ${wanted}, received ${receivedParts[index] ?? 'the end'}; ` +
      'native code and TypeScript must be built from the same sources',
  );
}
