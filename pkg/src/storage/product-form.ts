/** The form of the byte product that was found the fastest on this browser's processor. */

import { findNote, keepNote } from "./hardware-notes.js";

const DAYS = 30;
const ABOUT = "product-form";

/** Undefined where it is to be found out. */
export async function findProductForm(): Promise<string | undefined> {
  return (await findNote<{ form: string }>(ABOUT, undefined, DAYS, ({ form }) => typeof form === "string"))?.form;
}

/** Where nothing can be kept the next visit finds out for itself. */
export function rememberProductForm(form: string): Promise<void> {
  return keepNote(ABOUT, undefined, { form });
}
