// A worker of the page's own, dedicated or shared, that loads the package itself.
import { Reranker } from "../package/index.js";

async function answer({ model, query, documents }) {
  try {
    const reranker = await Reranker.load(model, { device: "cpu" });
    const { results } = await reranker.rerank(query, documents);
    return { value: { results } };
  } catch ({ code, message, hint }) {
    return { error: { code, message, hint } };
  }
}

const serve = (port) => (port.onmessage = async ({ data }) => port.postMessage(await answer(data)));

if ("onconnect" in self) self.onconnect = ({ ports: [port] }) => serve(port);
else serve(self);
