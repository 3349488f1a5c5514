"use client";

import { useEffect, useRef, useState } from "react";
import { Reranker } from "tabrank";

export function Search() {
  const loading = useRef();
  const [results, setResults] = useState([]);

  // The folder of a model, and what a backend found: both are served beside this page.
  useEffect(() => {
    const started = Reranker.load("/model/");
    loading.current = started;
    return () => void started.then((reranker) => reranker.dispose());
  }, []);

  async function search(event) {
    event.preventDefault();
    const query = event.currentTarget.elements.query.value;
    const [reranker, hits] = await Promise.all([loading.current, fetch("/hits.json").then((response) => response.json())]);
    setResults((await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 })).results);
  }

  return (
    <main>
      <form onSubmit={search}>
        <input name="query" type="search" aria-label="Search" required />
        <button>Search</button>
      </form>
      <ol>
        {results.map(({ index, document: hit, score }) => (
          <li key={index}>{`${hit.title} (${score.toFixed(3)})`}</li>
        ))}
      </ol>
    </main>
  );
}
