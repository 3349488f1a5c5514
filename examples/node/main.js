// node main.js "a question": prints what was found, best first.
import { readdir, readFile } from "node:fs/promises";
import { Reranker } from "tabrank";

const query = process.argv[2] ?? "who wrote Faust?";
const hits = JSON.parse(await readFile("hits.json", "utf8"));

const reranker = await Reranker.load(await filesOf("model"));
const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 });
for (const { document: hit, score } of results) console.log(`${hit.title} (${score.toFixed(3)})`);
reranker.dispose();

/** A model's files by their names, those in folders below it too. */
async function filesOf(folder) {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(json|safetensors)$/.test(name));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(`${folder}/${name}`)])));
}
