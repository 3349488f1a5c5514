// What the package keeps in the browser's storage, as a test sees and harms it.

const CACHE = "tabrank-v2";
const VECTORS = "tabrank-vectors-v1";

/** Runs in the page: the address of each stored file by its name. */
const ADDRESSES = `async (cache) => {
  const keys = (await cache.keys()).map(({ url }) => url);
  const sets = await Promise.all(keys.filter((url) => url.includes("/sets/")).map(async (url) => (await cache.match(url)).json()));
  const files = sets.flatMap(({ entries }) => Object.entries(entries)).filter(([, entry]) => entry);
  const addresses = files.map(([name, { sha256 }]) => [name, keys.find((url) => url.endsWith("/blobs/" + sha256))]);
  return Object.fromEntries(addresses.filter(([, address]) => address));
}`;

/** The names of all stored files. */
export function storedFiles(page) {
  return page.evaluate(`(async () => Object.keys(await (${ADDRESSES})(await caches.open("${CACHE}"))))()`);
}

/** All addresses in the package's storage. */
export function storedEntries(page) {
  return page.evaluate(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url), CACHE);
}

/** A stored file's text. */
export async function storedText(page, name) {
  const address = await addressOf(page, name);
  return page.evaluate(async ([cache, address]) => (await (await caches.open(cache)).match(address)).text(), [CACHE, address]);
}

/** The keys of documents' embeddings in IndexedDB. */
export function storedVectors(page) {
  return page.evaluate(async (name) => {
    const answer = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }));
    if (!(await indexedDB.databases()).some((database) => database.name === name)) return [];
    const database = await answer(indexedDB.open(name));
    const keys = await answer(database.transaction("vectors").objectStore("vectors").getAllKeys());
    database.close();
    return keys;
  }, VECTORS);
}

/** Changes documents' embeddings in IndexedDB as `how` says: `flipped`, `cut`, or `swapped` with a text. */
export function damageVectors(page, how) {
  return page.evaluate(async ([name, how]) => {
    const answer = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }));
    const database = await answer(indexedDB.open(name));
    const store = database.transaction("vectors", "readwrite").objectStore("vectors");
    const [keys, entries] = await Promise.all([answer(store.getAllKeys()), answer(store.getAll())]);
    for (const [place, { bytes, ...entry }] of entries.entries()) {
      if (how === "flipped") bytes[bytes.length - 1] ^= 1;
      store.put(how === "swapped" ? "text" : { ...entry, bytes: how === "cut" ? bytes.slice(0, -1) : bytes }, keys[place]);
    }
    await new Promise((resolve) => (store.transaction.oncomplete = resolve));
    database.close();
  }, [VECTORS, how]);
}

/** Changes a stored file as `how` says: `flipped`, `cut`, or `gone`. */
export async function damage(page, name, how = "flipped") {
  const address = await addressOf(page, name);
  await page.evaluate(
    async ([cacheName, address, how]) => {
      const cache = await caches.open(cacheName);
      const stored = await cache.match(address);
      const bytes = new Uint8Array(await stored.arrayBuffer());
      if (how === "flipped") bytes[bytes.length >> 1] ^= 1;
      if (how === "gone") await cache.delete(address);
      else await cache.put(address, new Response(how === "cut" ? bytes.slice(0, -100) : bytes, { headers: stored.headers }));
    },
    [CACHE, address, how],
  );
}

async function addressOf(page, name) {
  const addresses = await page.evaluate(`(async () => (${ADDRESSES})(await caches.open("${CACHE}")))()`);
  if (!addresses[name]) throw new Error(`${name} is not stored`);
  return addresses[name];
}
