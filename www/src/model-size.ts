// How large is the download of a model, and under which licence is it? Asked of the server that has it; no weights are fetched.
import { failure } from "./problem.ts";
import type { ModelSource } from "./model-place.ts";
import { placeOf } from "./model-place.ts";
import type { Weights } from "./state.ts";

export interface ModelFacts {
  /** Bytes of the download, where the server states them. */
  size?: number;
  /** As the hub spells it. */
  licence?: string;
}

/** Of a folder of this site. */
export async function folderFacts(source: Extract<ModelSource, { kind: "folder" }>, weights: Weights): Promise<ModelFacts> {
  const folder = placeOf(source, weights).source as URL;
  const size = await (source.hasBundles ? listedSize(folder) : weightsSize(folder));
  return size === undefined ? {} : { size };
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

/** What a hub tells of a model, of what matters here. */
interface HubAnswer {
  siblings?: { rfilename?: unknown; size?: unknown }[];
  cardData?: { license?: unknown };
}

/** What the package reads of a model: settings and weights beside each other, and those of its modules, such as `1_Dense/`. */
const READ = /^(\d+_\w+\/)?[^/]+\.(json|safetensors)$/;

/** Asks the hub, which then knows which model was asked for. */
export async function askHub({ id, hub }: Extract<ModelSource, { kind: "hub" }>): Promise<ModelFacts> {
  const response = await fetch(new URL(`api/models/${id}?blobs=true`, hub), { credentials: "omit" }).catch(() => undefined);
  if (response === undefined) throw failure("NETWORK", `${hub.host} could not be reached.`, "Check the connection and try again.");
  if (!response.ok) throw failure("HTTP_STATUS", `${hub.host} answered ${response.status} for ${id}.`, "Check its spelling; models that need a login cannot be loaded here.");
  const { siblings = [], cardData } = (await response.json()) as HubAnswer;
  const files = siblings.filter(({ rfilename }) => typeof rfilename === "string" && READ.test(rfilename));
  if (!files.some(({ rfilename }) => String(rfilename).endsWith(".safetensors"))) {
    throw failure("CHECKPOINT_UNSUPPORTED", `${id} has no weights as safetensors.`, "`tabrank convert` reads PyTorch's files too, and makes a folder that this page loads.");
  }
  const size = files.reduce((sum, file) => sum + (typeof file.size === "number" ? file.size : 0), 0);
  return { ...(size > 0 && { size }), ...(typeof cardData?.license === "string" && { licence: cardData.license }) };
}
