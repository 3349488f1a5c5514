/** Addresses as messages may show them. A user's name, a password and any value of a query may be a secret: a signature, a token. */

export function redacted(address: string): string {
  const { protocol, host, pathname, search } = new URL(address);
  if (host === "" && protocol !== "file:") return `${protocol}…`;
  return `${protocol}//${host}${pathname}${search && "?…"}`;
}

/** The same for the addresses in a text of the browser's. */
export function redactedText(text: string): string {
  return text.replace(/\b(https?|data|blob):[^\s"'<>]+/gi, (address) => (URL.canParse(address) ? redacted(address) : "…"));
}
