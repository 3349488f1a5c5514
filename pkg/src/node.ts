/** Node's own modules, where this runs in Node. They are asked for at run time, so that no bundler looks for them. */

interface Host {
  process?: { getBuiltinModule?(name: string): unknown };
}

/** Undefined elsewhere. */
export function builtin<M>(name: string): M | undefined {
  return (globalThis as Host).process?.getBuiltinModule?.(`node:${name}`) as M | undefined;
}
