/** A safetensors file with an arbitrary header, valid or not, and arbitrary data. */
export function safetensorsBytes(header: unknown, data: Uint8Array, headerLength?: bigint): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** A tensor to write, with its dtype as named in the file. */
export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** A valid safetensors file of these tensors, in this order. */
export function packSafetensors(tensors: Record<string, RawTensor>): Uint8Array {
  let offset = 0;
  const header = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = offset;
    offset += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  const data = Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes));
  return safetensorsBytes({ __metadata__: { format: 'pt' }, ...Object.fromEntries(header) }, data);
}
