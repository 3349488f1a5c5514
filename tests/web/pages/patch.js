// Puts something in place of a browser's own method or property.

/** `get` receives what the original getter gives. */
export function replaceGetter(prototype, name, get) {
  const original = Object.getOwnPropertyDescriptor(prototype, name);
  Object.defineProperty(prototype, name, {
    ...original,
    get() {
      return get(original.get.call(this));
    },
  });
}

/** `replacement` receives the original, bound to the object it was called on, and the arguments. */
export function wrap(prototype, name, replacement) {
  const original = prototype[name];
  prototype[name] = function (...parameters) {
    return replacement.call(this, original.bind(this), ...parameters);
  };
}
