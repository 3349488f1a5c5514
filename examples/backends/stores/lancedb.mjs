// LanceDB, which lies in a folder and is read by its package in this process.
import { connect } from "@lancedb/lancedb";
import { fromLanceDb } from "tabrank/candidates/lancedb";

export async function openLanceDb({ folder }) {
  const database = await connect(folder);
  let articles;
  return {
    async fill(documents) {
      articles = await database.createTable("articles", documents.map(({ id, title, text, vector }) => ({ id, title, text, vector })));
    },
    search: (vector, count) => articles.vectorSearch(vector).distanceType("cosine").limit(count).toArray(),
    read: (answer) => fromLanceDb(answer),
    close: async () => database.close(),
  };
}
