import { Reranker } from "tabrank";

const form = document.querySelector("form");
const list = document.querySelector("ol");

// The folder of a model, and what a backend found: both are served beside this page.
const loading = Reranker.load("model/");
const found = fetch("hits.json").then((response) => response.json());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reranker = await loading;
  const { results } = await reranker.rerank(form.elements.query.value, await found, { text: (hit) => hit.body, topK: 10 });
  list.replaceChildren(...results.map(item));
});

function item({ document: hit, score }) {
  const element = document.createElement("li");
  element.textContent = `${hit.title} (${score.toFixed(3)})`;
  return element;
}
