// What is added to the page: the model, which a service worker cannot hold, and the service worker.
import { answerServiceWorker } from "./node_modules/tabrank/dist/adapters/service-worker.js";
import { Reranker } from "./node_modules/tabrank/dist/index.js";

answerServiceWorker(Reranker.load("model/"));
await navigator.serviceWorker.register("sw.js", { type: "module" });
