// Embeddings of a document's tokens, as PostgreSQL and LanceDB themselves give them, are read by the candidates.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { ROOT } from "../web/lib/paths.mjs";

const example = createRequire(join(ROOT, "examples/backends/package.json"));
const { PGlite } = example("@electric-sql/pglite");
const { vector } = example("@electric-sql/pglite-pgvector");
const { connect } = example("@lancedb/lancedb");
const arrow = example("apache-arrow");
const { fromPgvector } = await import(join(ROOT, "pkg/dist/candidates/pgvector.js"));
const { fromLanceDb } = await import(join(ROOT, "pkg/dist/candidates/lancedb.js"));

const ROWS = [
  [
    [0.5, -0.25],
    [1, 0],
  ],
  [[0, 1]],
];

it("PostgreSQL's vector[] and halfvec[]", async () => {
  const database = await PGlite.create({ extensions: { vector } });
  try {
    await database.exec("CREATE EXTENSION vector; CREATE TABLE articles (id int, tokens vector(2)[], half halfvec(2)[])");
    for (const [id, rows] of ROWS.entries()) await database.query("INSERT INTO articles SELECT $1, array_agg(row::vector), array_agg(row::halfvec) FROM unnest($2::text[]) AS row", [id, rows.map((row) => JSON.stringify(row))]);
    const answer = await database.query("SELECT * FROM articles ORDER BY id");
    for (const column of ["tokens", "half"]) {
      const { hits, options } = fromPgvector(answer, { vector: column });
      assert.deepEqual(hits.map(options.embeddings), ROWS);
    }
    const json = await database.query("SELECT id, to_json(tokens) AS tokens FROM articles ORDER BY id");
    const { hits, options } = fromPgvector(json, { vector: "tokens" });
    assert.deepEqual(hits.map(options.embeddings), ROWS);
  } finally {
    await database.close();
  }
});

it("LanceDB's multivectors", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tabrank-store-"));
  try {
    const database = await connect(folder);
    const float = new arrow.Field("item", new arrow.Float32(), true);
    const token = new arrow.Field("item", new arrow.FixedSizeList(2, float), true);
    const schema = new arrow.Schema([new arrow.Field("id", new arrow.Int32()), new arrow.Field("tokens", new arrow.List(token))]);
    const articles = await database.createTable("articles", ROWS.map((tokens, id) => ({ id, tokens })), { schema });
    const { hits, options } = fromLanceDb(await articles.query().toArray(), { vector: "tokens" });
    assert.deepEqual(hits.map(options.id), [0, 1]);
    assert.deepEqual(hits.map(options.embeddings), ROWS);
    database.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
