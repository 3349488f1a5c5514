/** A server that answers as a backend does, from a file: what its client makes of that is the client's own. */

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";

/** Answers by what a request's path ends in; the first that fits counts. */
export type Answers = readonly (readonly [ending: string, answer: unknown])[];

export interface Backend {
  readonly port: number;
  readonly url: string;
}

export function recorded(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../answers/${name}.json`, import.meta.url), "utf8"));
}

export function backend(answers: Answers): Backend {
  const server = createServer((request, response) => answer(request, response, answers));
  beforeAll(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)));
  afterAll(() => server.close());
  return {
    get port() {
      return (server.address() as AddressInfo).port;
    },
    get url() {
      return `http://127.0.0.1:${this.port}`;
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, answers: Answers): void {
  const path = request.url!.split("?")[0]!;
  const found = answers.find(([ending]) => path.endsWith(ending));
  // Elasticsearch's client looks for the name of the product.
  const headers = { "Content-Type": request.headers.accept?.startsWith("application/vnd") ? request.headers.accept.split(",")[0] : "application/json", "X-Elastic-Product": "Elasticsearch" };
  request.resume().on("end", () => {
    response.writeHead(found ? 200 : 404, headers);
    response.end(JSON.stringify(found ? found[1] : { message: `there is no ${path}` }));
  });
}
