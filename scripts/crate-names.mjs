// Whose code is a function? By its mangled name, as rustc writes it into a wasm module.

const LIBRARY = new Set(["core", "alloc", "std"]);

const ESCAPES = { SP: "@", BP: "*", RF: "&", LT: "<", GT: ">", LP: "(", RP: ")", C: ",", u20: " ", u27: "'", u5b: "[", u5d: "]", u7b: "{", u7d: "}", u3b: ";", u2b: "+", u22: '"' };

/** The first crate that a function's path names, the standard library's only where no other is: an instance of `Vec` belongs to whose items it holds. */
export function crateOf(mangled) {
  const crates = [...pathOf(mangled ?? "").matchAll(/(?<![\w:])([a-z_]\w*)::/g)].map(([, name]) => name);
  return crates.find((name) => !LIBRARY.has(name)) ?? crates[0] ?? "(no name)";
}

/** The first module of a crate that a function's path names. */
export function moduleOf(mangled, crate) {
  return new RegExp(`\\b${crate}::(\\w+)::`).exec(pathOf(mangled ?? ""))?.[1] ?? crate;
}

function pathOf(mangled) {
  let rest = /^_ZN(.*)E$/.exec(mangled)?.[1];
  if (rest === undefined) return mangled;
  const parts = [];
  for (let length = parseInt(rest); length > 0; length = parseInt(rest)) {
    const start = String(length).length;
    parts.push(unescaped(rest.slice(start, start + length)));
    rest = rest.slice(start + length);
  }
  return parts.slice(0, -1).join("::");
}

function unescaped(part) {
  const plain = part.replace(/^_(?=\$)/, "").replaceAll("..", "::");
  return plain.replace(/\$(\w+?)\$/g, (escape, name) => ESCAPES[name] ?? escape);
}
