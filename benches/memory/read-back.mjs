// What a rerank reads back from WebGPU: a tiny checkpoint on the software adapter, since bytes do not depend on the adapter.
import { openGpuReads } from "../../tests/web/lib/gpu-reads.mjs";
import { openBrowser } from "../../tests/web/lib/package.mjs";
import { needPackage } from "../../tests/web/lib/paths.mjs";

const CALLS = { rerank: {}, "rerank, topK 2, explain": { explain: true, topK: 2 } };

export async function readBack() {
  needPackage();
  const browser = await openBrowser({ webgpu: true });
  try {
    const gpu = await openGpuReads(browser, "plain");
    const rows = [["read back from WebGPU", "bytes", "at most", "read-backs", "all embeddings"]];
    const wrong = [];
    for (const [name, options] of Object.entries(CALLS)) {
      process.stderr.write(`${name} on WebGPU\n`);
      const { bytes, most, readBacks, everything } = await gpu.reads(options);
      rows.push([name, ...[bytes, most, readBacks, everything].map((value) => value.toLocaleString("en"))]);
      if (!(bytes > 0 && bytes <= most)) wrong.push(`${name} reads ${bytes} bytes back; at most ${most}`);
    }
    return [{ title: `a tiny checkpoint, ${gpu.tiny.documents.length} short documents`, rows, wrong }];
  } finally {
    await browser.close();
  }
}
