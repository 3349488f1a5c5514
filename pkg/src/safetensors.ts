/**
 * Headers of safetensors files: eight bytes (the header's length N, little-endian), N bytes of JSON, then the data, which ends at the
 * largest `data_offsets`. The file's own word on its length holds where a server's Content-Length is absent, or counts compressed bytes.
 */

/** Longest header that is read; a model of a thousand tensors has about 100 kB. */
const HEADER_CAP = 16 * 1024 * 1024;

/** Bytes that say how long the header is. */
export const PREFIX = 8;

/** Bytes from the file's start that {@link safetensorsSize} needs, or undefined when these are no safetensors file's first bytes. */
export function headerEnd(firstBytes: Uint8Array): number | undefined {
  if (firstBytes.length < PREFIX) return undefined;
  const length = Number(new DataView(firstBytes.buffer, firstBytes.byteOffset).getBigUint64(0, true));
  return length >= 2 && length <= HEADER_CAP ? PREFIX + length : undefined;
}

/** The whole file's length by its header, which must be in `bytes`; undefined when the header is none. */
export function safetensorsSize(bytes: Uint8Array): number | undefined {
  const end = headerEnd(bytes);
  if (end === undefined || bytes.length < end) return undefined;
  const header = parseObject(bytes.subarray(PREFIX, end));
  return header && end + dataLength(header);
}

/** A header's JSON, if it is an object. */
export function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function dataLength(header: Record<string, unknown>): number {
  const ends = Object.entries(header).map(([name, tensor]) => (name === "__metadata__" ? 0 : tensorEnd(tensor)));
  return ends.reduce((most, end) => Math.max(most, end), 0);
}

/** 0 for a tensor that states no end: the engine names what is wrong with it once it has the file. */
function tensorEnd(tensor: unknown): number {
  const offsets = typeof tensor === "object" && tensor !== null ? (tensor as { data_offsets?: unknown }).data_offsets : undefined;
  const end: unknown = Array.isArray(offsets) ? offsets[1] : undefined;
  return typeof end === "number" && Number.isSafeInteger(end) && end > 0 ? end : 0;
}
