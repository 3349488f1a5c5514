// bun main.js "a question": prints what was found, best first.
import { Glob } from "bun";
import { Reranker } from "tabrank";

const query = Bun.argv[2] ?? "who wrote Faust?";
const hits = await Bun.file("hits.json").json();

const reranker = await Reranker.load(await filesOf("model"));
const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 });
for (const { document: hit, score } of results) console.log(`${hit.title} (${score.toFixed(3)})`);
reranker.dispose();

/** A model's files by their names, those in folders below it too. */
async function filesOf(folder) {
  const names = await Array.fromAsync(new Glob("**/*.{json,safetensors}").scan(folder));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await Bun.file(`${folder}/${name}`).bytes()])));
}
