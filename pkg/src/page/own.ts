/** What a Reranker works with, and how it is found behind the proxies of frameworks. */

import type { Limits, ModelInfo } from "../types.js";
import type { DeviceSwitch } from "./device-switch.js";
import type { DocumentCache } from "./document-cache.js";
import { invalidKind, read } from "./invalid.js";
import type { Latest } from "./latest.js";
import type { PageRate } from "./page-rate.js";
import type { PageSide } from "./page-side.js";
import type { Rate } from "./rate.js";

export interface Own {
  /** What it can be asked. */
  calls: typeof import("./reranker-calls.js");
  client: DeviceSwitch;
  limits: Limits;
  model: ModelInfo;
  latest: Latest;
  rate: Rate;
  /** Of a model that reads pages. */
  pageSide: PageSide;
  pageRate: PageRate;
  /** Address of the module that decodes pictures. */
  imagesWasm: string;
  /** Called after each ranking. */
  noteSpeed(): void;
  /** Whether the browser keeps this site's storage. */
  persisted: Promise<boolean>;
  /** Where documents' embeddings are kept, if they are. */
  cache: DocumentCache | undefined;
}

/** The doors that were made here: whatever else a caller passes as a Reranker has none of them. */
const doors = new WeakSet<() => Own>();

/** Behind a function: proxies that frameworks put in front of objects reach no private field, and would wrap what they find. */
export function doorTo(own: Own): () => Own {
  const door = () => own;
  doors.add(door);
  return door;
}

/** Of a Reranker that a caller passed. */
export function ownOf(reranker: unknown, place: string): Own {
  const door = typeof reranker === "object" && reranker !== null ? read(reranker as { own: () => Own }, "own", place) : undefined;
  if (door === undefined || !doors.has(door)) throw invalidKind(reranker, place, "a Reranker");
  return door();
}
