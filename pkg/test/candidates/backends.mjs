/**
 * An answer of each backend, and what is to be read of it. `answer` gives a new copy, and `read` takes whatever it is given; of an answer in `columns` hits are made.
 */

import { readFileSync } from "node:fs";
import { fromAlgolia } from "../../src/candidates/algolia.js";
import { fromChroma } from "../../src/candidates/chroma.js";
import { fromElasticsearch } from "../../src/candidates/elasticsearch.js";
import { fromLanceDb } from "../../src/candidates/lancedb.js";
import { fromMeilisearch } from "../../src/candidates/meilisearch.js";
import { fromNextPlaid } from "../../src/candidates/next-plaid.js";
import { fromOpenSearch } from "../../src/candidates/opensearch.js";
import { fromOrama } from "../../src/candidates/orama.js";
import { fromPagefind } from "../../src/candidates/pagefind.js";
import { fromPgvector } from "../../src/candidates/pgvector.js";
import { fromPinecone } from "../../src/candidates/pinecone.js";
import { fromQdrant } from "../../src/candidates/qdrant.js";
import { fromTypesense } from "../../src/candidates/typesense.js";
import { fromVespa } from "../../src/candidates/vespa.js";
import { fromWeaviate } from "../../src/candidates/weaviate.js";

const LETTERS = ["a", "b", "c"];
const CLOSE = [0.91, 0.82, 0.4];
const FAR = [-0.09, -0.18, -0.6];
const ROWS = [
  [
    [0.6, 0.8],
    [1, 0],
  ],
  [[0, 1]],
  [
    [0.8, 0.6],
    [0, -1],
    [1, 0],
  ],
];
const TENSORS = [
  [
    [-1, 0],
    [1, 2],
  ],
  [[0, -128]],
  [
    [127, 3],
    [4, 5],
    [6, 7],
  ],
];

export const BACKENDS = [
  { ...recorded("qdrant", fromQdrant), ids: [1, 2, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"], scores: CLOSE, embeddings: ROWS },
  { ...recorded("elasticsearch", (answer) => fromElasticsearch(answer, { vector: "colbert" })), ids: LETTERS, scores: [7.25, 3.5, 1.125], embeddings: ROWS },
  { ...recorded("opensearch", (answer) => fromOpenSearch(answer, { vector: "colbert" })), ids: LETTERS, scores: [7.25, 3.5, 1.125], embeddings: ROWS },
  { ...recorded("pgvector", (answer) => fromPgvector(answer, { vector: "tokens" })), ids: [1, 2, 3], scores: FAR, embeddings: ROWS },
  { ...recorded("chroma", fromChroma), ids: LETTERS, scores: FAR, columns: true },
  { ...recorded("typesense", fromTypesense), ids: LETTERS, scores: [578730123365712000, 578730123365711900, 57873012336571] },
  { ...recorded("meilisearch", fromMeilisearch), ids: [1, 2, 3], scores: CLOSE },
  { ...recorded("algolia", fromAlgolia, ({ results }) => results[0]), ids: LETTERS, scores: [undefined, undefined, undefined] },
  { ...recorded("pinecone", fromPinecone), ids: LETTERS, scores: CLOSE },
  { ...recorded("weaviate", fromWeaviate), ids: [0, 1, 2].map((last) => `5c56c793-69f3-4fbf-87e6-c4bf54c28c2${last}`), scores: FAR, embeddings: ROWS },
  {
    ...recorded("vespa", (answer) => fromVespa(answer, { vector: "colbert", embeddingId: "v1-1" })),
    ids: LETTERS.map((letter) => `id:articles:article::${letter}`),
    scores: [17.5, 9.25, 3.125],
    embeddings: TENSORS.map((embeddings) => ({ codec: "binary", embeddings, embeddingId: "v1-1" })),
  },
  { ...recorded("lancedb", (answer) => fromLanceDb(answer, { vector: "tokens" })), ids: [1, 2, 3], scores: FAR, embeddings: ROWS },
  { ...recorded("orama", fromOrama), ids: LETTERS, scores: [4.2, 2.1, 1.05] },
  { name: "pagefind", answer: pagefind, read: fromPagefind, ids: LETTERS, scores: [4.2, 2.1, 1.05] },
  { ...recorded("next-plaid", fromNextPlaid), ids: [42, 17, 89], scores: [11.5, 9.25, 3.125], columns: true },
];

function recorded(name, read, part = (answer) => answer) {
  const text = readFileSync(new URL(`../../../tests/candidates/answers/${name}.json`, import.meta.url), "utf8");
  return { name, answer: () => part(JSON.parse(text)), read: (answer) => read(answer) };
}

const PAGES = ["Goethe wrote Faust in Weimar.", "Bread is baked in an oven.", "Faust is an opera by Gounod."];
const LOADERS = PAGES.map((content) => async () => ({ url: "/page/", content, excerpt: "<mark>hit</mark>", meta: { title: "Page" } }));

function pagefind() {
  return { results: LETTERS.map((id, place) => ({ id, score: [4.2, 2.1, 1.05][place], words: [1], data: LOADERS[place] })), filters: {}, timings: { preload: 1, search: 2, total: 3 } };
}
