// Where are the model's weights of a type, and how large is their download?
import type { Dtype } from "tabrank";
import type { Settings } from "./settings.ts";
import type { Weights } from "./state.ts";

export interface ModelPlace {
  folder: URL;
  options: { dtype?: Dtype };
}

/** The page's own model was converted when the page was built; another one is converted in the tab. `f32` is the checkpoint as it is. */
export function placeOf({ model, hasBundles }: Settings, weights: Weights): ModelPlace {
  if (weights === "f32") return { folder: model, options: {} };
  if (hasBundles) return { folder: new URL(`${model.href.replace(/\/$/, "")}-${weights}/`), options: {} };
  return { folder: model, options: { dtype: weights } };
}

/** Bytes of the download as the server states them; no weights are fetched. Undefined where it does not. */
export async function downloadSize({ folder }: ModelPlace, hasBundles: boolean): Promise<number | undefined> {
  return hasBundles ? listedSize(folder) : weightsSize(folder);
}

/** The page's own folders are listed with their sizes. */
async function listedSize(folder: URL): Promise<number | undefined> {
  const response = await fetch(new URL("../sizes.json", folder)).catch(() => undefined);
  const sizes: unknown = response?.ok ? await response.json().catch(() => undefined) : undefined;
  const name = folder.pathname.split("/").at(-2) ?? "";
  const size = (sizes as Record<string, unknown> | undefined)?.[decodeURIComponent(name)];
  return typeof size === "number" ? size : undefined;
}

async function weightsSize(folder: URL): Promise<number | undefined> {
  const response = await fetch(new URL("model.safetensors", folder), { method: "HEAD" }).catch(() => undefined);
  const length = Number(response?.headers.get("Content-Length"));
  return response?.ok && length > 0 ? length : undefined;
}
