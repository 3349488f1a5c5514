/** One signal in place of several. */

export interface Linked {
  /** Aborts when one of the signals does, with its reason. */
  controller: AbortController;
  unlink(): void;
}

export function linked(...signals: (AbortSignal | undefined)[]): Linked {
  const controller = new AbortController();
  const links = signals.flatMap((signal) => (signal ? [{ signal, abort: () => controller.abort(signal.reason) }] : []));
  for (const { signal, abort } of links) {
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
  }
  const unlink = () => links.forEach(({ signal, abort }) => signal.removeEventListener("abort", abort));
  return { controller, unlink };
}
