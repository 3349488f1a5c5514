/** Why something was not stored, in words for a warning: what the browser called it, and how much room there was. */

export async function causeOf(error: unknown): Promise<string> {
  const estimate = await globalThis.navigator?.storage?.estimate().catch(() => undefined);
  const megabytes = (bytes: number | undefined) => Math.round((bytes ?? 0) / 1e6).toLocaleString("en");
  const room = estimate ? `; ${megabytes(estimate.usage)} of ${megabytes(estimate.quota)} MB in use` : "";
  return `${error instanceof Error ? error.name : "unknown cause"}${room}`;
}
