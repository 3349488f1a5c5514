import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { errorData } from "../../src/worker/failure.js";
import { BASE, gatherFolder as load, warnings } from "../support/folder.js";
import { type Answer, blocked, FakeServer, html, networkError, ok, passedOn, pieces, status } from "../support/server.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a file without which the checkpoint is whole", () => {
  const OPTIONAL = ["tabrank.json", "modules.json", "1_Dense/model.safetensors"];
  const everywhere = (answer: Answer) => Object.fromEntries(OPTIONAL.map((name) => [name, answer]));

  test.each([
    ["status 404", status(404)],
    ["status 410", status(410)],
    ["a web page", html],
  ])("is absent with %s, and nothing is said of it", async (_, answer) => {
    const { checkpoint, server } = await load(everywhere(answer));
    expect([...checkpoint.missing]).toEqual(OPTIONAL);
    expect(warnings).toEqual([]);
    expect(new Set(server.requests.slice(0, 6)).size).toBe(6);
  });

  test.each([
    ["status 403", status(403), "answered with status 403"],
    ["status 401", status(401), "answered with status 401"],
    ["status 400", status(400), "answered with status 400"],
    ["status 405", status(405), "answered with status 405"],
    ["status 451", status(451), "answered with status 451"],
    ["status 204", () => new Response(null, { status: 204 }), "answered with status 204"],
    ["status 206", status(206), "answered with status 206"],
    ["status 304", () => new Response(null, { status: 304 }), "answered with status 304"],
    ["an empty body", ok(""), "holds no bytes"],
    ["an error in JSON", ok('{"error":"not found"}'), "holds an error message in JSON"],
    ["an error in XML", ok("<?xml version='1.0'?><Error/>"), "holds an XML document"],
    ["a page that it was passed on to", passedOn, "leads to a web page (HTML)"],
    ["an answer that the page may not see", blocked, "was answered, but the browser does not let this page see the answer (CORS)"],
  ])("counts as absent with %s once another file has come, and a warning says so", async (_, answer, words) => {
    const { checkpoint } = await load(everywhere(answer));
    expect([...checkpoint.missing]).toEqual(OPTIONAL);
    expect(warnings).toEqual(
      OPTIONAL.map((name) => ({ code: "FILE_REFUSED", message: `${name} counts as absent: https://host/model/${name} ${words}. If the folder does have this file, scores are not what they should be.` })),
    );
  });

  test.each([
    ["the network fails", networkError, { code: "NETWORK", retryable: true }],
    ["it breaks off", pieces([new Uint8Array(9), new TypeError("network error")]), { code: "NETWORK", retryable: true }],
    ["it stalls", pieces([new Uint8Array(9), null]), { code: "NETWORK", retryable: true }],
    ["the server fails", status(503), { code: "HTTP_STATUS", retryable: true }],
    ["the server is busy", status(429), { code: "HTTP_STATUS", retryable: true }],
    ["the server has waited too long", status(408), { code: "HTTP_STATUS", retryable: true }],
    ["it is a Git LFS pointer", ok("version https://git-lfs.github.com/spec/v1\n"), { code: "INTEGRITY_FAILED" }],
    ["it is packed", ok(new Uint8Array([0x1f, 0x8b, 8, 0])), { code: "INTEGRITY_FAILED" }],
  ])("is never taken for absent where %s", async (_, answer, error) => {
    await expect(load({ "modules.json": answer })).rejects.toMatchObject(error);
  });

  test("is asked for past the HTTP cache where the page could not see the first answer", async () => {
    const { checkpoint, server } = await load({ "modules.json": [blocked, ok("[]")] });
    expect(checkpoint.added.has("modules.json")).toBe(true);
    const asked = server.inits.filter((_, place) => server.requests[place] === "modules.json");
    expect(asked[1]).toMatchObject({ cache: "reload" });
    expect(server.probes).toEqual(["modules.json"]);
  });
});

describe("a folder that is refused as a whole", () => {
  const all = (answer: Answer) => Object.fromEntries(["tabrank.json", "modules.json", ...Object.keys(BASE)].map((name) => [name, answer]));
  const HUB = { url: "https://hub.example/owner/name/resolve/main/", source: "owner/name", hub: "https://hub.example/", revision: "main" };
  const onHub = (answer: Answer) => Object.fromEntries(Object.keys(all(answer)).map((name) => [`/owner/name/resolve/main/${name}`, answer]));

  test.each([401, 403, 451])("with status %i: the error speaks of the folder, and nothing is warned of", async (code) => {
    const message = `https://host/model/ does not give its files: status ${code} for config.json`;
    await expect(load(all(status(code)))).rejects.toMatchObject({ code: "HTTP_STATUS", message, retryable: false, hint: expect.stringContaining('headers: { authorization: "Bearer …" }'), details: { status: code } });
    expect(warnings).toEqual([]);
    expect(FakeServer.last!.requests[0]).toBe("tabrank.json");
  });

  test("though credentials were sent: the hint speaks of them", async () => {
    await expect(load(all(status(403)), { headers: { authorization: "Bearer x" } })).rejects.toMatchObject({ hint: expect.stringContaining("whether the credentials in `headers`") });
  });

  test("by CORS: the error says what to send", async () => {
    const error = { code: "NETWORK", retryable: false, message: expect.stringContaining("config.json was answered, but"), hint: expect.stringContaining("Access-Control-Allow-Origin") };
    await expect(load(all(blocked))).rejects.toMatchObject(error);
  });

  test.each([
    ["a status alone", status(401), 9, "hub.example does not give the model owner/name at revision main: status 401 for config.json", "Check the model's id"],
    ["that there is no such model", status(401, { "x-error-code": "RepoNotFound" }), 1, "hub.example does not give the model owner/name at revision main (there is no such model, or it is private): status 401 for tabrank.json", "pass a token"],
    ["that it is gated", status(403, { "x-error-code": "GatedRepo" }), 1, "hub.example does not give the model owner/name at revision main (its owner asks visitors to accept terms): status 403 for tabrank.json", "pass a token"],
    ["that there is no such revision", status(404, { "x-error-code": "RevisionNotFound" }), 1, "hub.example does not give the model owner/name at revision main (it has no such revision): status 404 for tabrank.json", "Check `revision`"],
    ["that nothing is there", status(404, { "x-error-code": "EntryNotFound" }), 9, "hub.example does not give the model owner/name at revision main: status 404 for config.json", "Check the model's id"],
  ])("by a hub that says %s: the error names the model", async (_, answer, most, message, hint) => {
    await expect(load(onHub(answer), HUB)).rejects.toMatchObject({ code: "HTTP_STATUS", message, hint: expect.stringContaining(hint) });
    expect(FakeServer.last!.requests.length).toBeLessThanOrEqual(most);
  });
});

describe("weights that are not there", () => {
  const weightless = (files: Record<string, Answer>) => load({ "model.safetensors": status(404), ...files });

  test.each([
    ["pytorch_model.bin", "PK\u0003\u0004", "pickled weights alone", "tabrank convert"],
    ["pytorch_model.bin.index.json", "{}", "pickled weights alone", "tabrank convert"],
    ["onnx/model.onnx", "\b\b\u0012\u0007pytorch", "an ONNX graph alone", "exported from"],
    ["model.onnx", "version https://git-lfs.github.com/spec/v1\n", "an ONNX graph alone", "exported from"],
    ["adapter_config.json", "{}", "an adapter without the model that it belongs to", "merge_and_unload"],
    ["onnx_config.json", "{}", "exported ONNX graphs", "exported from"],
    ["tf_model.h5", "\u0089HDF", "TensorFlow weights alone", "safetensors"],
  ])("but are in %s: the error says so", async (name, content, what, hint) => {
    const error = { code: "CHECKPOINT_UNSUPPORTED", message: `the folder has no model.safetensors, but ${name}: ${what}`, hint: expect.stringContaining(hint) };
    await expect(weightless({ [name]: ok(content) })).rejects.toMatchObject(error);
  });

  test.each(["adapter_config.json", "onnx_config.json"])("of a folder with %s that has no config.json either: the error says so", async (name) => {
    const error = { code: "CHECKPOINT_UNSUPPORTED", message: expect.stringContaining(`the folder has no config.json, but ${name}`) };
    await expect(load({ "config.json": status(404), [name]: ok("{}") })).rejects.toMatchObject(error);
  });

  test.each([
    ["is empty", ok(""), { code: "INTEGRITY_FAILED", message: "https://host/model/model.safetensors holds no bytes" }],
    ["is a web page", html, { code: "INTEGRITY_FAILED", message: "https://host/model/model.safetensors holds a web page (HTML)" }],
    ["is refused", status(403), { code: "HTTP_STATUS", message: "https://host/model/model.safetensors answered with status 403" }],
    ["is not there", status(404), { code: "CHECKPOINT_INVALID", message: expect.stringContaining("model.safetensors.index.json answered with status 404") }],
  ])("in a file that %s, nor in several: the error is about that file", async (_, answer, error) => {
    const rounds = ["config.json", "model.safetensors", "model.safetensors.index.json"].map((name) => [{ name, optional: name === "model.safetensors" }]);
    await expect(load({ "model.safetensors": answer }, {}, rounds)).rejects.toMatchObject(error);
  });

  test.each([
    ["in no form", {}],
    ["in a form that is refused, or a web page", { "pytorch_model.bin": status(403), "onnx/model.onnx": html, "adapter_config.json": networkError }],
  ])("%s: the error is the engine's, with the address", async (_, files) => {
    const error = { code: "CHECKPOINT_INVALID", message: "model.safetensors is missing: https://host/model/model.safetensors answered with status 404" };
    await expect(weightless(files)).rejects.toMatchObject(error);
  });
});

describe("secrets", () => {
  const SECRET = { url: "https://host/model/?X-Amz-Signature=SECRET", headers: { authorization: "Bearer SECRET" } };

  test.each([
    ["404", status(404)],
    ["403", status(403)],
    ["503", status(503)],
    ["no network", networkError],
    ["CORS", blocked],
    ["a page", html],
    ["a pointer", ok("version https://git-lfs.github.com/spec/v1\n")],
    ["a stalled body", pieces([null])],
    ["too much", ok(" ".repeat(9 * 1024 * 1024))],
  ])("are in no error or warning with %s", async (_, answer) => {
    for (const name of ["config.json", "modules.json"]) {
      const error = await load({ [name]: answer }, SECRET).then(() => ({ message: "loaded" }), (thrown) => errorData(thrown, undefined));
      expect(error.message).not.toBe("");
      expect(JSON.stringify([error, warnings])).not.toContain("SECRET");
    }
    expect(FakeServer.last!.urls[0]).toContain("SECRET");
  });
});
