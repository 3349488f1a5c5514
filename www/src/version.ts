/** Of the package; vite.config.ts knows it. */
declare const TABRANK_VERSION: string;

export const VERSION = TABRANK_VERSION;
