// The docs' blocks of Python run as they stand, beside numpy alone, and the lists that they make are scored as the page scores them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { codeBlocks, markdownFiles } from "../../scripts/markdown.mjs";
import { placeOf } from "../../scripts/samples.mjs";
import { need, ROOT } from "../web/lib/paths.mjs";

const PYTHON = need("target/backends/python/bin/python", "make test-backends");
const DIMENSION = 128;

/** What blocks take for granted: two documents, which a store has by their numbers, and of a web framework what they touch. */
const GIVEN = `
import sys
sys.path.insert(0, "examples/python")
import numpy as np
from tabrank_vectors import write_list

rows = np.eye(${DIMENSION}, dtype=np.float32)
documents = [rows[:2], rows[2:5]]
EMBEDDING_ID = "v1-${"0".repeat(32)}"

class store:
    embeddings = staticmethod(lambda id: documents[int(id)])

class app:
    handlers = []
    get = staticmethod(lambda path: lambda handler: app.handlers.append(handler) or handler)

def Response(content, media_type):
    return content
`;

/** A block's list: what it calls `body`, or what it answers a request with. */
const WRITE = `
for handler in app.handlers:
    body = handler("0,1")
sys.stdout.buffer.write(body)
`;

let scorer;
before(async () => {
  const { Scorer } = await import(join(ROOT, "pkg/dist/index.js"));
  scorer = await Scorer.load();
});
after(() => scorer?.dispose());

for (const block of markdownFiles().flatMap(codeBlocks).filter(({ language }) => language === "python")) {
  it(placeOf(block), async () => {
    const { stdout, stderr, status } = spawnSync(PYTHON, ["-c", GIVEN + block.code + WRITE], { cwd: ROOT });
    assert.equal(status, 0, String(stderr));
    const query = new Float32Array(DIMENSION);
    query[3] = 1;
    assert.deepEqual([...(await scorer.score(query, new Uint8Array(stdout)))].map(Math.round), [0, 1]);
  });
}
