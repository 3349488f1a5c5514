import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Progress } from "../../src/types.js";
import { ProgressMeter } from "../../src/page/progress-meter.js";
import { engineError, type FakeCheckpoint, FakeEngine, type FakeModule, fakeModule } from "../support/engine.js";
import { load, type LoadSetup } from "../support/load.js";
import { type Answer, FakeServer, hurry, networkError, ok, pieces, ranged, safetensors, status } from "../support/server.js";
import { stubStorage } from "../support/storage.js";

const WEIGHTS = safetensors(4000).map((byte, place) => (place < 100 ? byte : place));
const SHARDS = ["weights-00001-of-00002.safetensors", "weights-00002-of-00002.safetensors"];

const serve = (weights: Answer | Answer[]) => new FakeServer({ "config.json": ok("{}"), "tokenizer.json": ok("[]"), "model.safetensors": weights });

/** The ranges of the weights that were asked for, null for all of it. */
const ranges = (server: FakeServer) => server.inits.filter((_, place) => server.requests[place] === "model.safetensors").map(({ headers }) => new Headers(headers).get("range"));

/** The ranges that were asked for until all was converted. */
let askedFor: (string | null)[] = [];

/** Conversions that came to their end. */
let conversions = 0;

/** Converts the folder that is served, and gives the weights as the engine has read them. */
async function converted(setup: LoadSetup = {}): Promise<Uint8Array> {
  let bundle: FakeCheckpoint | undefined;
  const keep = async (checkpoint: FakeCheckpoint) => ((bundle = checkpoint), new FakeEngine());
  const convert: FakeModule["convert"] = async (...given) => {
    const made = await fakeModule().convert(...given);
    conversions++;
    askedFor = ranges(FakeServer.last!);
    return made;
  };
  await load({ convert: { dtype: "q8" }, load: keep, module: { convert }, ...setup });
  return Uint8Array.from(SHARDS.flatMap((name) => [...bundle!.added.get(name)!].map((byte) => ~byte)));
}

/** The answer without a header, or with another. */
const headed = (name: string, value?: string) => (response: Response) => {
  const headers = new Headers(response.headers);
  if (value === undefined) headers.delete(name);
  else headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
};

beforeEach(() => {
  stubStorage();
  vi.stubGlobal("navigator", {});
  hurry();
  conversions = 0;
});
afterEach(() => vi.unstubAllGlobals());

describe("weights that are converted", () => {
  test("come by ranges, in the order in which they are asked for, and the answer that gave the header is ended", async () => {
    const server = serve(ranged(WEIGHTS));
    expect(await converted()).toEqual(WEIGHTS);
    const header = WEIGHTS.length - 4000;
    const middle = (header + WEIGHTS.length) >> 1;
    expect(askedFor).toEqual([null, `bytes=${middle}-${WEIGHTS.length - 1}`, `bytes=${header}-${middle - 1}`]);
    expect(server.inits[server.requests.indexOf("model.safetensors")]!.signal!.aborted).toBe(true);
  });

  test.each<[string, Answer]>([
    ["that knows no ranges", ok(WEIGHTS)],
    ["that refuses them", ranged(WEIGHTS, () => status(416)() as Response)],
    ["whose answers to them a page may not see", ranged(WEIGHTS, () => networkError() as Promise<Response>)],
    ["that does not say which range it sends", ranged(WEIGHTS, headed("content-range"))],
    ["that sends another range", ranged(WEIGHTS, headed("content-range", "bytes 0-9/2000"))],
    ["that counts another size", ranged(WEIGHTS, (response, range) => headed("content-range", `${range.replace("=", " ")}/9999`)(response))],
  ])("come out of one stream of a server %s, whatever the order", async (_, answer) => {
    serve(answer);
    expect(await converted()).toEqual(WEIGHTS);
    expect(askedFor).toEqual([null, expect.stringContaining("bytes=")]);
  });

  test("of a stream that breaks off or ends too soon go on where it was", async () => {
    const broken = [pieces([WEIGHTS.slice(0, 2700), new TypeError("network error")]), status(416), pieces([WEIGHTS.slice(0, 3000)]), ok(WEIGHTS, {})];
    serve(broken);
    expect(await converted()).toEqual(WEIGHTS);
  });

  test("of a range that breaks off or is short are asked for again", async () => {
    const short = WEIGHTS.slice(0, 5);
    // The first range shows that there are some.
    const faults = [undefined, [short, new TypeError("network error")], [short]];
    serve(ranged(WEIGHTS, async (response) => {
      const fault = faults.shift();
      return fault ? new Response((await pieces(fault)()).body, { status: 206, headers: response.headers }) : response;
    }));
    expect(await converted()).toEqual(WEIGHTS);
    expect(askedFor).toHaveLength(5);
  });

  test.each<[string, Answer]>([
    ["a stream", pieces([WEIGHTS.slice(0, 3000)])],
    ["a stream that stalls", pieces([WEIGHTS.slice(0, 3000), null])],
  ])("fail after three tries with %s that is never whole", async (_, answer) => {
    const { setInterval } = globalThis;
    vi.stubGlobal("setInterval", (task: () => void, delay = 0) => setInterval(task, delay / 1000));
    serve([answer, status(416), answer]);
    await expect(converted({ cache: "off" })).rejects.toMatchObject({ code: expect.stringMatching(/INTEGRITY_FAILED|NETWORK/), details: { url: "https://host/model/model.safetensors" } });
  });

  test.each<[string, Answer[]]>([
    ["by ranges", [ranged(WEIGHTS), ranged(WEIGHTS, headed("etag", '"other"')), ranged(WEIGHTS)]],
    ["in a stream", [pieces([WEIGHTS.slice(0, 2700)], { etag: '"one"' }), status(416), ok(WEIGHTS, { etag: '"other"' })]],
  ])("of a file that changes while it comes %s are asked for once more from the start", async (_, answers) => {
    const moved = safetensors(4000).map((byte) => byte);
    const server = serve([...answers, ok(moved), ok(moved), ok(moved)]);
    expect(await converted()).toEqual(moved);
    // What is of two versions is not even converted.
    expect(conversions).toBe(1);
    expect(server.requests.filter((name) => name === "tabrank.json").length).toBeGreaterThanOrEqual(2);
  });

  test("are not fetched where the engine has no room for them", async () => {
    const server = serve(ranged(WEIGHTS));
    const convert: FakeModule["convert"] = async () => {
      throw engineError("CHECKPOINT_UNSUPPORTED", "2 bytes; at most 1");
    };
    await expect(converted({ module: { convert }, cache: "off" })).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: "2 bytes; at most 1" });
    expect(server.taken).not.toContain("model.safetensors");
    class Full extends fakeModule().Checkpoint {
      override requireRoom(): void {
        throw engineError("CHECKPOINT_UNSUPPORTED", "4 bytes; at most 3");
      }
    }
    await expect(load({ module: { Checkpoint: Full }, cache: "off" })).rejects.toMatchObject({ message: "4 bytes; at most 3" });
    expect(FakeServer.last!.taken).not.toContain("model.safetensors");
  });

  test("count as the download, and what is left to do is a phase of its own", async () => {
    serve(ranged(WEIGHTS));
    const events: Progress[] = [];
    const meter = new ProgressMeter((progress) => events.push(progress));
    await converted({ meter });
    const total = WEIGHTS.length + "{}".length + "[]".length;
    expect(events.find(({ phase }) => phase === "convert")).toMatchObject({ loaded: total, total });
  });
});
