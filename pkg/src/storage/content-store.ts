/**
 * Sets of named blobs that stay in this browser (Cache Storage), whatever they are of.
 *
 * | address | holds |
 * | --- | --- |
 * | `blobs/{SHA-256}` | bytes, under their own hash: sets share what they have in common, and nothing that a reader holds can change under it |
 * | `sets/{key}/open` | the set that is being filled: what each name stands for, written ahead of the blobs |
 * | `sets/{key}/a`, `…/b` | the current set. A new one is written where the old one is not, and the old one goes once it stands: one write switches |
 * | `used/{key}` | when the current set was last read |
 *
 * Chromium deletes what an address holds before it writes there, so nothing that works is ever written over. Every entry is checked by its hash when it is read.
 * Whatever breaks off leaves only what the next collection removes; it waits for readers and writers, who hold a lock.
 */

import type { Bytes } from "../files.js";
import { sha256 } from "./hash.js";
import { exclusively, ifNobodyHas, joined, together } from "./locks.js";

/** No server has this name, and none is asked. */
const ROOT = "https://storage.invalid/";

const HASH = "x-sha256";

/** Milliseconds after which a set that was never finished is given up. */
const OPEN_LIFETIME = 7 * 24 * 60 * 60 * 1000;

const CURRENT = ["a", "b"] as const;

type Slot = "open" | (typeof CURRENT)[number];

/** What a name in a set stands for. */
export interface Entry {
  sha256: string;
  bytes: number;
  /** What a server said to tell this version from others. */
  version?: string;
}

export interface StoredSet<About> {
  /** One for each filling. */
  id: string;
  key: string;
  /** What the set is of, for whoever filled it: JSON. */
  about: About;
  /** Null for a name that is known to stand for nothing. */
  entries: Record<string, Entry | null>;
  /** What fillings before this one have left, and this one may use. */
  spare: Record<string, Entry | null>;
  /** Milliseconds since 1970. */
  written: number;
  /** Counts the current sets of a key. */
  serial: number;
}

/** A set in a list of all. */
export interface ListedSet<About> {
  set: StoredSet<About>;
  isCurrent: boolean;
  /** Milliseconds since 1970; 0 where it was not read since it was stored. */
  used: number;
}

export class ContentStore<About> {
  private constructor(
    private readonly name: string,
    private readonly cache: Cache,
  ) {}

  /** Throws where the browser denies storage. */
  static async open<About>(name: string): Promise<ContentStore<About>> {
    return new ContentStore<About>(name, await caches.open(name));
  }

  /** Nothing that the task reads or writes is collected meanwhile. */
  hold<T>(task: () => Promise<T>): Promise<T> {
    return together(`${this.name}:hold`, task);
  }

  /** One task for a key at a time, in all tabs. */
  oneAtATime<T>(key: string, task: () => Promise<T>): Promise<T> {
    return exclusively(`${this.name}:fill:${key}`, task);
  }

  async current(key: string): Promise<StoredSet<About> | undefined> {
    return (await this.#currentPlace(key))?.set;
  }

  /** The set that is being filled, or that nobody has finished. */
  async unfinished(key: string): Promise<StoredSet<About> | undefined> {
    const [set, current] = await Promise.all([this.#set(address(key, "open")), this.current(key)]);
    return set?.id === current?.id ? undefined : set;
  }

  /** Starts to fill a set, in place of an open one. */
  async begin(set: StoredSet<About>): Promise<void> {
    await this.#write(set, "open");
  }

  /** Writes an open set down as it is now. False where it was dropped, or another took its place. */
  update(set: StoredSet<About>): Promise<boolean> {
    return this.#alone(async () => {
      if ((await this.#set(address(set.key, "open")))?.id !== set.id) return false;
      await this.#write(set, "open");
      return true;
    });
  }

  /** Adds a blob to an open set, without bytes one that is there. False as for {@link update}. */
  async add(set: StoredSet<About>, name: string, entry: Entry, bytes?: Bytes): Promise<boolean> {
    set.entries[name] = entry;
    if (!(await this.update(set))) return false;
    if (bytes && !(await this.read(entry.sha256))) await this.#put(`blobs/${entry.sha256}`, bytes, entry.sha256);
    return true;
  }

  /** A blob's bytes; undefined where it is not there, cannot be read, or is damaged, and then it is deleted. */
  async read(hash: string): Promise<Bytes | undefined> {
    const place = `${ROOT}blobs/${hash}`;
    const buffer = await this.#match(place).then((response) => response?.arrayBuffer()).catch(() => undefined);
    const bytes = buffer && new Uint8Array(buffer);
    if (!bytes || (await sha256(bytes)) === hash) return bytes;
    await this.cache.delete(place).catch(() => false);
    return undefined;
  }

  /** Whether each of a set's blobs is there. */
  async isWhole({ entries }: StoredSet<About>): Promise<boolean> {
    const blobs = Object.values(entries).filter((entry) => entry !== null);
    const found = await Promise.all(blobs.map((entry) => this.#match(`${ROOT}blobs/${entry.sha256}`)));
    return found.every((response) => response !== undefined);
  }

  /** Makes an open set the current one. False where it was dropped meanwhile or is not whole: then all stays as it is. */
  publish(set: StoredSet<About>): Promise<boolean> {
    return this.hold(() => this.#alone(async () => {
      const current = await this.#currentPlace(set.key);
      if (current?.set.id === set.id) return true;
      if ((await this.unfinished(set.key))?.id !== set.id || !(await this.isWhole(set))) return false;
      await this.#write({ ...set, spare: {}, serial: (current?.set.serial ?? 0) + 1 }, current?.slot === "a" ? "b" : "a");
      const replaced = current ? [current.slot, "open" as const] : ["open" as const];
      await Promise.all(replaced.map((slot) => this.cache.delete(address(set.key, slot)).catch(() => false)));
      return true;
    }));
  }

  /** Makes a set the current one as it is: its blobs come one by one as they are wanted, see {@link fill}, and some of them never. */
  settle(set: StoredSet<About>): Promise<void> {
    return this.#alone(async () => {
      const current = await this.#currentPlace(set.key);
      await this.#write({ ...set, serial: (current?.set.serial ?? 0) + 1 }, current?.slot === "a" ? "b" : "a");
      if (current) await this.cache.delete(address(set.key, current.slot)).catch(() => false);
    });
  }

  /** Adds a blob that a set refers to. */
  fill({ sha256 }: Entry, bytes: Bytes): Promise<void> {
    return this.#put(`blobs/${sha256}`, bytes, sha256);
  }

  /** Notes that the current set is in use. */
  async touch(key: string): Promise<void> {
    await this.cache.put(`${ROOT}used/${key}`, Response.json(Date.now())).catch(() => {});
  }

  /** Says that somebody finds out what a set is worth, until the answer is called. */
  trial(id: string): Promise<() => void> {
    return joined(`${this.name}:trial:${id}`);
  }

  /** Whether somebody does, in any tab. */
  async isInTrial(id: string): Promise<boolean> {
    let isRunning = true;
    await ifNobodyHas(`${this.name}:trial:${id}`, async () => void (isRunning = false));
    return isRunning;
  }

  async list(): Promise<ListedSet<About>[]> {
    const sets = await this.#standing();
    return Promise.all(sets.map(async ({ set, slot }) => ({ set, isCurrent: slot !== "open", used: await this.#used(set.key) })));
  }

  /** Drops the sets that are chosen; whether there were any. Their blobs go with the next collection. */
  drop(choose: (set: StoredSet<About>) => boolean): Promise<boolean> {
    return this.#alone(async () => {
      const chosen = (await this.#all()).filter(({ set }) => choose(set));
      await Promise.all(chosen.map(({ place }) => this.cache.delete(place)));
      return chosen.length > 0;
    });
  }

  /** Deletes what no set that stands refers to, unless somebody is at work. */
  async collect(): Promise<void> {
    await ifNobodyHas(`${this.name}:hold`, async () => {
      // Sets are written ahead of their blobs, so in this order nothing is missed where there are no locks.
      const places = (await this.cache.keys()).map(({ url }) => url);
      // A set that cannot be read at the moment may stand, so then all of this fails.
      const standing = await this.#standing((place) => this.#readSet(place));
      const needed = new Set(standing.flatMap(({ set, place }) => [place, `${ROOT}used/${set.key}`, ...blobsOf(set)]));
      await Promise.all(places.filter((place) => !needed.has(place)).map((place) => this.cache.delete(place)));
    });
  }

  async #used(key: string): Promise<number> {
    const time: unknown = await (await this.#match(`${ROOT}used/${key}`))?.json().catch(() => 0);
    return typeof time === "number" ? time : 0;
  }

  /** A switch is seen by no other until it is over. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    return exclusively(`${this.name}:switch`, task);
  }

  async #currentPlace(key: string): Promise<{ set: StoredSet<About>; slot: Slot } | undefined> {
    const found = await Promise.all(CURRENT.map(async (slot) => ({ set: await this.#set(address(key, slot)), slot })));
    return newest(found.flatMap(({ set, slot }) => (set ? [{ set, slot }] : [])));
  }

  /** Every set but those that a newer one has replaced, and those that nobody will finish. */
  async #standing(read = (place: string) => this.#set(place)) {
    const all = await this.#all(read);
    return all.filter(({ set, slot }) => {
      const current = newest(all.filter((other) => other.set.key === set.key && other.slot !== "open"));
      return slot === "open" ? set.id !== current?.set.id && set.written > Date.now() - OPEN_LIFETIME : set === current?.set;
    });
  }

  async #all(read = (place: string) => this.#set(place)): Promise<{ set: StoredSet<About>; slot: Slot; place: string }[]> {
    const places = (await this.cache.keys()).map(({ url }) => url).filter((place) => place.startsWith(`${ROOT}sets/`));
    const sets = await Promise.all(places.map(read));
    return sets.flatMap((set, index) => (set ? [{ set, slot: places[index]!.split("/").at(-1) as Slot, place: places[index]! }] : []));
  }

  #set(place: string): Promise<StoredSet<About> | undefined> {
    return this.#readSet(place).catch(() => undefined);
  }

  /** Undefined where there is none, or it is damaged. Throws where the storage gives no answer. */
  async #readSet(place: string): Promise<StoredSet<About> | undefined> {
    const response = await this.cache.match(place);
    const bytes = response && new Uint8Array(await response.arrayBuffer());
    const isSound = bytes && (await sha256(bytes)) === response.headers.get(HASH);
    return isSound ? (JSON.parse(new TextDecoder().decode(bytes)) as StoredSet<About>) : undefined;
  }

  async #write(set: StoredSet<About>, slot: Slot): Promise<void> {
    set.written = Date.now();
    const bytes = new TextEncoder().encode(JSON.stringify(set)) as Bytes;
    await this.#put(`sets/${set.key}/${slot}`, bytes, await sha256(bytes));
  }

  async #put(place: string, bytes: Bytes, hash: string): Promise<void> {
    await this.cache.put(ROOT + place, new Response(bytes, { headers: { [HASH]: hash } }));
  }

  #match(place: string): Promise<Response | undefined> {
    return this.cache.match(place).catch(() => undefined);
  }
}

/** A set to be filled. */
export function newSet<About>(key: string, about: About, spare: StoredSet<About>["spare"]): StoredSet<About> {
  return { id: crypto.randomUUID(), key, about, entries: {}, spare, written: 0, serial: 0 };
}

function address(key: string, slot: Slot): string {
  return `${ROOT}sets/${key}/${slot}`;
}

function newest<Place extends { set: { serial: number } }>(places: Place[]): Place | undefined {
  return places.reduce<Place | undefined>((best, place) => (best && best.set.serial > place.set.serial ? best : place), undefined);
}

/** The addresses of all that it holds. */
export function blobsOf({ entries, spare }: StoredSet<unknown>): string[] {
  return [...Object.values(entries), ...Object.values(spare)].flatMap((entry) => (entry ? [`${ROOT}blobs/${entry.sha256}`] : []));
}
