// Tensors of a file, by their names.
import { readFileSync } from "node:fs";

const ARRAYS = { F32: Float32Array, U8: Uint8Array, I64: BigInt64Array, BOOL: Uint8Array };

export function readTensors(file) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: _, ...header } = JSON.parse(bytes.subarray(8, start));
  const read = ({ dtype, shape, data_offsets: [from, to] }) => ({ shape, values: new ARRAYS[dtype](new Uint8Array(bytes.subarray(start + from, start + to)).buffer) });
  return new Map(Object.entries(header).map(([name, tensor]) => [name, read(tensor)]));
}
