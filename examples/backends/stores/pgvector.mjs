// PostgreSQL with pgvector, both in PGlite, behind a server of our own: one route, as a site's own search has it.
import { PGlite } from "@electric-sql/pglite";
import { vector as pgvector } from "@electric-sql/pglite-pgvector";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { fromPgvector } from "tabrank/candidates/pgvector";

const NEAREST = "SELECT id, title, text, embedding <=> $1 AS distance FROM articles ORDER BY distance LIMIT $2";

export async function openPgvector() {
  const database = await PGlite.create({ extensions: { vector: pgvector } });
  const search = async (vector, count) => (await database.query(NEAREST, [JSON.stringify(vector), count])).rows;
  const server = createServer((request, response) => void answer(search, request, response));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async fill(documents) {
      await database.exec(`CREATE EXTENSION vector; CREATE TABLE articles (id text PRIMARY KEY, title text, text text, embedding vector(${documents[0].vector.length}))`);
      await database.transaction(async (batch) => {
        for (const { id, title, text, vector } of documents) await batch.query("INSERT INTO articles VALUES ($1, $2, $3, $4)", [id, title, text, JSON.stringify(vector)]);
      });
    },
    search,
    read: (answer) => fromPgvector(answer),
    async close() {
      server.close();
      await database.close();
    },
  };
}

async function answer(search, request, response) {
  try {
    const { vector, count } = await json(request);
    const rows = await search(vector, count);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(rows));
  } catch {
    response.writeHead(400).end();
  }
}
