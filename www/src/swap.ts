// May the better order replace the one on screen? Not under the reader's hand.

const SILENT_BUDGET = 300;

/** `shown`: milliseconds since the present order appeared; `touched`: focus, pointer or scroll has moved into the list since. */
export function maySwapSilently(shown: number, touched: boolean): boolean {
  return !touched || shown <= SILENT_BUDGET;
}

/** Notices focus, pointer and scroll in a list. */
export class Touch {
  #touched = false;
  #since = performance.now();

  constructor(list: HTMLElement) {
    const touch = () => {
      this.#touched = true;
    };
    for (const type of ["focusin", "pointerdown", "wheel"]) list.addEventListener(type, touch, { passive: true });
    list.addEventListener("pointermove", (event) => {
      // Rows that move under a resting pointer send such events too, without a movement.
      if (event.movementX !== 0 || event.movementY !== 0) touch();
    });
    addEventListener("scroll", () => list.getBoundingClientRect().top < 0 && touch(), { passive: true });
  }

  reset(): void {
    this.#touched = false;
    this.#since = performance.now();
  }

  maySwap(): boolean {
    return maySwapSilently(performance.now() - this.#since, this.#touched);
  }
}
