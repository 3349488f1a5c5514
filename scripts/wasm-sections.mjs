// What is in a wasm module: the size of each function's code by its name, and of each section.

const CODE = 10;
const IMPORTS = 2;
const CUSTOM = 0;
const SECTIONS = { [CODE]: "code", 11: "data" };
const FUNCTION = 0;

/** `sections`: bytes by name, of which there are `code`, `data` and `other`; `functions`: bytes of each body, and its name where the module tells names. */
export function wasmContents(module) {
  const reader = new Reader(module);
  reader.skip(8);
  const sections = { code: 0, data: 0, other: 0 };
  let imported = 0;
  let bodies = [];
  let names = new Map();
  while (!reader.isAtEnd) {
    const kind = reader.byte();
    const content = reader.slice(reader.number());
    if (kind === IMPORTS) imported = importedFunctions(content);
    if (kind === CODE) bodies = bodySizes(content);
    if (kind === CUSTOM && content.text() === "name") names = functionNames(content);
    else sections[SECTIONS[kind] ?? "other"] += content.length;
  }
  return { sections, functions: bodies.map((bytes, index) => ({ bytes, name: names.get(imported + index) })) };
}

class Reader {
  #bytes;
  #place = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  get length() {
    return this.#bytes.length;
  }

  get isAtEnd() {
    return this.#place >= this.#bytes.length;
  }

  byte() {
    return this.#bytes[this.#place++];
  }

  skip(count) {
    this.#place += count;
  }

  /** In LEB128. */
  number() {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  slice(count) {
    const start = this.#place;
    this.skip(count);
    return new Reader(this.#bytes.subarray(start, start + count));
  }

  text() {
    const { length } = this;
    const count = this.number();
    return count > length ? "" : new TextDecoder().decode(this.slice(count).#bytes);
  }
}

function importedFunctions(section) {
  let functions = 0;
  for (let left = section.number(); left > 0; left--) {
    section.text();
    section.text();
    const kind = section.byte();
    if (kind !== FUNCTION) throw new Error("a module of ours imports functions alone");
    section.number();
    functions++;
  }
  return functions;
}

function bodySizes(section) {
  return Array.from({ length: section.number() }, () => section.slice(section.number()).length);
}

function functionNames(section) {
  const names = new Map();
  while (!section.isAtEnd) {
    const kind = section.byte();
    const content = section.slice(section.number());
    if (kind !== 1) continue;
    for (let left = content.number(); left > 0; left--) names.set(content.number(), content.text());
  }
  return names;
}
