// Chroma's server, which PyPI has, over its REST interface: the same that a page asks.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fromChroma } from "tabrank/candidates/chroma";

const COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections";

/** Seconds until the server answers. */
const PATIENCE = 60;

/** `program`: the command `chroma`. `folder`: where it keeps its data. */
export async function openChroma({ program, folder }) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = spawn(program, ["run", "--path", folder, "--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore", env: { ...process.env, ANONYMIZED_TELEMETRY: "False" } });
  const ended = new Promise((done, failed) => server.on("exit", done).on("error", failed));
  await Promise.race([answers(`${url}/api/v2/heartbeat`), ended.then((code) => Promise.reject(new Error(`chroma ended with code ${code}`)))]);
  let articles;
  return {
    url,
    async fill(documents) {
      const { id } = await post(`${url}${COLLECTIONS}`, { name: "articles", get_or_create: true, configuration: { hnsw: { space: "cosine" } } });
      articles = `${url}${COLLECTIONS}/${id}`;
      const columns = { ids: documents.map(({ id }) => id), documents: documents.map(({ text }) => text), metadatas: documents.map(({ title }) => ({ title })) };
      await post(`${articles}/upsert`, { ...columns, embeddings: documents.map(({ vector }) => vector) });
    },
    search: (vector, count) => post(`${articles}/query`, { query_embeddings: [vector], n_results: count, include: ["documents", "metadatas", "distances"] }),
    read: (answer) => fromChroma(answer),
    async close() {
      server.kill();
      await ended;
    },
  };
}

async function post(url, body) {
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${new URL(url).pathname}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function answers(url) {
  for (let tries = 0; tries < PATIENCE * 5; tries++) {
    if ((await fetch(url).catch(() => undefined))?.ok) return;
    await sleep(200);
  }
  throw new Error(`${url} does not answer`);
}

async function freePort() {
  const probe = createServer();
  await new Promise((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}
