/** What page, worker and storage say of a model's files. */

/** A file's bytes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The file that makes a folder a bundle. It is wanted first, alone, and lists all others. */
export const MANIFEST = "tabrank.json";
