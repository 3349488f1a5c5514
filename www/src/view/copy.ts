// Copies a text of a field, or selects it where the browser lets no page copy.

/** What to tell of it. */
export async function copyText(field: HTMLTextAreaElement): Promise<string> {
  try {
    await navigator.clipboard.writeText(field.value);
    return "Copied.";
  } catch {
    field.focus();
    field.select();
    return "This browser lets no page copy: the text is selected, so copy it by hand.";
  }
}
