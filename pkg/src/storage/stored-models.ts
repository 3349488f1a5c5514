/**
 * The models that stay in this browser, each a set of the content store: what tells one from another, and what a page may ask of them.
 *
 * A model is what its address, its revision, the type of weights that was asked for and the credentials that were sent say. Of the credentials, and of an
 * address's query, which may be one, a hash is all that is stored.
 */

import type { Bytes } from "../files.js";
import type { Dtype, StoredModel, Warning } from "../types.js";
import { blobsOf, ContentStore, type ListedSet, type StoredSet } from "./content-store.js";
import { sha256 } from "./hash.js";

/** Names the format too: a later one has another name. */
const CACHE = "tabrank-v2";

/** What earlier builds have kept, by address: of no use, and large. */
const OLD_CACHE = "tabrank-v1";

/** What tells a model from all others. */
export interface ModelPlace {
  /** Absolute, with everything that is sent as a part of it. */
  url: string;
  /** As it is listed: the address without what may be secret, or the model's id on `hub`. */
  source: string;
  hub?: string | undefined;
  revision: string;
  headers: Record<string, string>;
  /** The type of weights that was asked for, if one was. */
  dtype?: Dtype | undefined;
  /** The side that reads pages, which is kept as a model of its own. */
  part?: "pages" | undefined;
}

/** What is written down with a set. */
export interface About extends Pick<StoredModel, "source" | "hub" | "revision" | "dtype" | "part" | "commit"> {
  /** The same for all revisions of a model. */
  family: string;
  /** What there was to warn of when it was fetched. */
  warnings?: Warning[];
  /** How often it was taken to the engine; 0 until all of it is there. */
  trials: number;
}

export type ModelStore = ContentStore<About>;

/** Throws where the browser denies storage. */
export async function openStore(): Promise<ModelStore> {
  const store = await ContentStore.open<About>(CACHE);
  await caches.delete(OLD_CACHE).catch(() => false);
  return store;
}

export async function identify({ url, source, hub, revision, headers, dtype, part }: ModelPlace): Promise<{ key: string; about: About }> {
  const { username, password, search } = new URL(url);
  const family = await hashOf([source, hub, dtype, username, password, search, Object.entries(headers).sort(), ...(part ? [part] : [])]);
  const about: About = { source, ...(hub !== undefined && { hub }), revision, ...(dtype && { dtype }), ...(part && { part }), family, trials: 0 };
  return { key: await hashOf([family, revision]), about };
}

/** Whether there is an accepted version, and nothing of it is missing. */
export async function isStored(place: ModelPlace): Promise<boolean> {
  return (await storedBytes(place)) !== undefined;
}

/** Bytes of the accepted version, if there is one of which nothing is missing. */
export async function storedBytes(place: ModelPlace): Promise<number | undefined> {
  const [store, { key }] = await Promise.all([openStore(), identify(place)]);
  const current = await store.current(key);
  return current && (await store.isWhole(current)) ? bytesIn(current) : undefined;
}

/** The bytes of a file of the accepted version, if they are there. */
export async function storedFile(place: ModelPlace, name: string): Promise<Bytes | undefined> {
  const [store, { key }] = await Promise.all([openStore(), identify(place)]);
  const entry = (await store.current(key))?.entries[name];
  return entry ? store.read(entry.sha256) : undefined;
}

/** Deletes all of one model, its page side too; whether there was anything. */
export async function deleteStored(place: ModelPlace): Promise<boolean> {
  const models = await Promise.all([identify(place), identify({ ...place, part: "pages" })]);
  return drop(({ key }) => models.some((model) => model.key === key));
}

/** Deletes every model, or every version of those from one source; whether there was anything. */
export function clearStored(from?: Pick<ModelPlace, "source" | "hub">): Promise<boolean> {
  return drop(({ about }) => !from || (about.source === from.source && about.hub === from.hub));
}

/** All that is kept, and what has not come whole, but nothing of which nothing has come; first what was used last. */
export async function listStored(): Promise<StoredModel[]> {
  const store = await openStore();
  const models = (await store.list()).filter(({ set }) => blobsOf(set).length > 0).map(async (listed) => ({ ...described(listed), complete: listed.isCurrent && (await store.isWhole(listed.set)) }));
  return (await Promise.all(models)).sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
}

function described({ set, used }: ListedSet<About>): Omit<StoredModel, "complete"> {
  const { family: _family, trials: _trials, ...named } = set.about;
  return { ...named, bytes: bytesIn(set), storedAt: new Date(set.written), usedAt: new Date(Math.max(used, set.written)) };
}

function bytesIn({ entries, spare }: StoredSet<About>): number {
  const sizes = new Map([...Object.values(entries), ...Object.values(spare)].flatMap((entry) => (entry ? [[entry.sha256, entry.bytes]] : [])));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

async function drop(choose: (set: StoredSet<About>) => boolean): Promise<boolean> {
  const store = await openStore();
  const dropped = await store.drop(choose);
  await store.collect();
  return dropped;
}

function hashOf(value: unknown): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify(value)) as Bytes);
}
