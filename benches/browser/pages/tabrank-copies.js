// Several Rerankers beside each other that know nothing of one another, each of which ranks all documents: what the cores of the machine allow.
import { create as createOne } from "./tabrank.js";

export async function create({ copies, ...load }) {
  const rerankers = [];
  for (let copy = 0; copy < copies; copy += 1) rerankers.push(await createOne(load));
  const [first] = rerankers;
  return {
    ...first,
    async rerank(query, documents, options) {
      const [output] = await Promise.all(rerankers.map((reranker) => reranker.rerank(query, documents, options)));
      return output;
    },
  };
}
