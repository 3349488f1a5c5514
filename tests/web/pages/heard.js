// What a page complains of, kept for a test whose driver does not hear it.
globalThis.heard = [];
for (const type of ["debug", "info", "log", "warn", "error", "assert"]) {
  const own = console[type];
  console[type] = (...words) => {
    if (type !== "assert" || !words[0]) globalThis.heard.push(["console", type, words.map(String).join(" ")]);
    own.apply(console, words);
  };
}
// Elements tell of what they could not load; it does not bubble.
addEventListener("error", ({ message, target }) => globalThis.heard.push(["pageerror", message ?? `${target.localName}: ${target.src ?? target.href}`]), true);
addEventListener("unhandledrejection", ({ reason }) => globalThis.heard.push(["pageerror", String(reason)]));
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => globalThis.heard.push(["pageerror", `policy: ${violatedDirective}: ${blockedURI}`]));

// No script can be run before a page's own here: what lib/demo.mjs asks of other engines.
Object.defineProperty(Navigator.prototype, "serviceWorker", { value: undefined });
