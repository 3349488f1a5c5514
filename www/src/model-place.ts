// Which model, and where are its weights of a type?
import type { LoadOptions } from "tabrank";
import type { Weights } from "./state.ts";

export type ModelSource =
  /** Of this site. `hasBundles`: beside it are bundles of its weights, as beside the page's own model. */
  | { kind: "folder"; folder: URL; hasBundles: boolean }
  /** `id`: owner and name. */
  | { kind: "hub"; id: string; hub: URL };

/** As the package's loads take it. */
export interface ModelPlace {
  source: string | URL;
  options: Pick<LoadOptions, "dtype" | "hub">;
}

/** The page's own model was converted when the page was built; another one is converted in the tab. `f32` is the checkpoint as it is. */
export function placeOf(source: ModelSource, weights: Weights): ModelPlace {
  const dtype = weights === "f32" ? {} : { dtype: weights };
  if (source.kind === "hub") return { source: source.id, options: { hub: source.hub, ...dtype } };
  const { folder, hasBundles } = source;
  if (hasBundles && weights !== "f32") return { source: new URL(`${folder.href.replace(/\/$/, "")}-${weights}/`), options: {} };
  return { source: folder, options: dtype };
}

export function sameSource(a: ModelSource, b: ModelSource): boolean {
  return addressOf(a) === addressOf(b);
}

function addressOf(source: ModelSource): string {
  return source.kind === "hub" ? new URL(source.id, source.hub).href : source.folder.href;
}

/** What people call it. */
export function nameOf(source: ModelSource): string {
  return source.kind === "hub" ? source.id : decodeURIComponent(source.folder.pathname.split("/").at(-2) ?? "");
}
