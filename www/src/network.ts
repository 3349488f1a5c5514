// How many requests has the page made since the model was loaded? Counted by the browser, not by the code that might make them.

export class RequestCounter {
  #since = Infinity;
  #starts: number[] = [];

  constructor(private readonly report: (count: number | undefined) => void) {
    const observer = new PerformanceObserver((list) => {
      this.#starts.push(...list.getEntries().map((entry) => entry.startTime));
      this.#tell();
    });
    observer.observe({ type: "resource", buffered: true });
  }

  /** Counts from now on. */
  start(): void {
    this.#since = performance.now();
    this.#tell();
  }

  stop(): void {
    this.#since = Infinity;
    this.#tell();
  }

  #tell(): void {
    this.report(this.#since === Infinity ? undefined : this.#starts.filter((start) => start >= this.#since).length);
  }
}
