// deno run --allow-read main.js "a question": prints what was found, best first.
import { Reranker } from "tabrank";

const query = Deno.args[0] ?? "who wrote Faust?";
const hits = JSON.parse(await Deno.readTextFile("hits.json"));

const reranker = await Reranker.load(await filesOf("model"));
const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 });
for (const { document: hit, score } of results) console.log(`${hit.title} (${score.toFixed(3)})`);
reranker.dispose();

/** A model's files by their names, those in folders below it too. */
async function filesOf(folder, below = "") {
  const files = {};
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    if (isDirectory) Object.assign(files, await filesOf(folder, `${below}${name}/`));
    else if (/\.(json|safetensors)$/.test(name)) files[below + name] = await Deno.readFile(`${folder}/${below}${name}`);
  }
  return files;
}
