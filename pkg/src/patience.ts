/** How long a silence is borne. Counted in ticks of a timer: of a time in which the page or the machine slept, one tick counts at most. */

const TICKS = 10;

/** Milliseconds that timers are set to at most: one of more ends at once. */
export const LONGEST = 2 ** 31 - 1;

export class Patience {
  readonly #timer: ReturnType<typeof setInterval>;
  #left = TICKS;

  /** Calls `onEnd` once, after `limit` milliseconds, to a tenth of them, without a sign of life. */
  constructor(limit: number, onEnd: () => void) {
    this.#timer = setInterval(() => {
      if (--this.#left > 0) return;
      this.stop();
      onEnd();
    }, Math.min(limit / TICKS, LONGEST));
  }

  /** There was a sign of life. */
  renew(): void {
    this.#left = TICKS;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** What a step gives, or the error where it gives nothing within `limit` milliseconds. */
export async function within<T>(limit: number, step: Promise<T>, late: () => unknown): Promise<T> {
  let patience: Patience | undefined;
  const end = new Promise<never>((_, reject) => {
    patience = new Patience(limit, () => reject(late()));
  });
  try {
    return await Promise.race([step, end]);
  } finally {
    patience?.stop();
  }
}
