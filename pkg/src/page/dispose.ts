/** Which method does `using` call at the end? */

/** Where a browser has no `Symbol.dispose`, that which compilers of `using` (esbuild, Babel, SWC) take in its place. */
export const DISPOSE: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for("Symbol.dispose") as never);
