// Orama, whose index lies in memory: of a page as well.
import { create, insertMultiple, search } from "@orama/orama";
import { fromOrama } from "tabrank/candidates/orama";

export async function openOrama() {
  let articles;
  return {
    async fill(documents) {
      articles = create({ schema: { id: "string", title: "string", text: "string", vector: `vector[${documents[0].vector.length}]` } });
      await insertMultiple(articles, documents);
    },
    // By default it leaves out what is less alike than 0.8.
    search: (value, limit) => search(articles, { mode: "vector", vector: { value, property: "vector" }, similarity: 0, limit }),
    read: (answer) => fromOrama(answer),
    close: async () => {},
  };
}
