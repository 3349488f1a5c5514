/** Calls a caller's listener. One that throws must not upset our own state: its error goes to the page, as an event listener's would. */
export function notify<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
