/** Pages of a PDF that are looked at as images: more take a night. */
export const MOST_PAGES = 200;
