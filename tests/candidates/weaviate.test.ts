/** Weaviate's client over gRPC, against a server that answers one search. */

import { createServer } from "nice-grpc";
import { fromWeaviate } from "tabrank/candidates/weaviate";
import { afterAll, beforeAll, expect, test } from "vitest";
import weaviate from "weaviate-client";
// The client's own messages, which it does not export.
import { SearchReply } from "./node_modules/weaviate-client/dist/node/esm/proto/v1/search_get.js";
import { WeaviateDefinition } from "./node_modules/weaviate-client/dist/node/esm/proto/v1/weaviate.js";
import { backend } from "./lib/server.js";
import { TEXTS } from "./lib/texts.js";

const ROWS = [[[0.5, 0.25], [1, 0]], [[0, 1]], [[0.25, 0.5]]];
const DISTANCES = [0.125, 0.25, 0.5];

const rest = backend([["/v1/meta", { version: "1.33.0" }]]);
const grpc = createServer();
let port: number;
beforeAll(async () => {
  grpc.add({ ...WeaviateDefinition, methods: { search: WeaviateDefinition.methods.search } }, { search: async () => reply() });
  port = await grpc.listen("127.0.0.1:0");
});
afterAll(() => grpc.forceShutdown());

/** As a search with `includeVector` and `returnMetadata: ["distance"]` has it. */
function reply(): SearchReply {
  return SearchReply.fromPartial({
    results: TEXTS.map((text, place) => ({
      metadata: {
        id: `5c56c793-69f3-4fbf-87e6-c4bf54c28c2${place}`,
        distance: DISTANCES[place]!,
        distancePresent: true,
        vectors: [
          { name: "dense", vectorBytes: floats([0.5, 0.25]), type: 1 },
          { name: "colbert", vectorBytes: new Uint8Array([2, 0, ...floats(ROWS[place]!.flat())]), type: 2 },
        ],
      },
      properties: { nonRefProps: { fields: { text: { textValue: text } } } },
    })),
  });
}

function floats(values: number[]): Uint8Array {
  return new Uint8Array(new Float32Array(values).buffer);
}

test("objects of a query, with their multi-vectors and distances", async () => {
  const options = { httpHost: "127.0.0.1", httpPort: rest.port, httpSecure: false, grpcHost: "127.0.0.1", grpcPort: port, grpcSecure: false, skipInitChecks: true };
  const client = await weaviate.connectToCustom(options);
  try {
    const answer = await client.collections.use<"Article", { text: string }>("Article").query.nearVector([0.5, 0.25], { includeVector: true, returnMetadata: ["distance"], targetVector: "dense" });
    const found = fromWeaviate(answer, { text: ({ properties }) => properties.text });
    expect(found.hits.map(found.options.text)).toEqual(TEXTS);
    expect(found.hits.map(found.options.id)).toEqual(answer.objects.map(({ uuid }) => uuid));
    expect(found.hits.map(found.score)).toEqual([-0.125, -0.25, -0.5]);
    expect(found.hits.map(found.options.embeddings)).toEqual(ROWS);
    expect(found.response([{ document: found.hits[1]! }])).toEqual({ objects: [answer.objects[1]] });
  } finally {
    await client.close();
  }
});
