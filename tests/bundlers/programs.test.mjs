// The programs: every line of Node from the first version that works, Deno and Bun print the reference's ranking.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { prepareApp } from "./lib/app.mjs";
import { assertLines } from "./lib/search.mjs";

const LIMIT = { timeout: 120_000 };

const run = promisify(execFile);

const RUNTIMES = fileURLToPath(new URL("runtimes/node_modules/", import.meta.url));

const PROGRAMS = {
  node: Object.fromEntries(["node-20", "node-22", "node-24", "node-26"].map((name) => [name, [join(RUNTIMES, name, "bin/node")]])),
  deno: { deno: [ofPlatform("@deno", "deno"), "run", "--allow-read"] },
  bun: { bun: [ofPlatform("@oven", "bin/bun")] },
};

/** What runs is a package of its own for each platform, and npm installs this one's. */
function ofPlatform(scope, file) {
  const [platform] = readdirSync(join(RUNTIMES, scope));
  return join(RUNTIMES, scope, platform, file);
}

for (const [name, commands] of Object.entries(PROGRAMS)) {
  describe(name, () => {
    let app;
    before(async () => {
      app = await prepareApp(name);
    }, LIMIT);

    const assertPrints = async ([command, ...parameters]) => {
      const { stdout } = await run(command, [...parameters, "main.js", app.tiny.query], { cwd: app.folder });
      assertLines(stdout.trim().split("\n"), app.tiny);
    };

    for (const [version, command] of Object.entries(commands)) it(`${version} prints the ranking`, LIMIT, () => assertPrints(command));

    it("takes the worker and the module from where the program says", LIMIT, async () => {
      await app.copyPackage();
      const at = (file) => `new URL("tabrank/${file}", import.meta.url)`;
      await app.edit("main.js", 'filesOf("model"))', `filesOf("model"), { workerUrl: ${at("worker.js")}, wasmUrl: ${at("tabrank.wasm")} })`);
      for (const file of ["worker.js", "tabrank.wasm", "tabrank-relaxed.wasm"]) await rm(join(app.folder, "node_modules/tabrank/dist", file));
      for (const command of Object.values(commands)) await assertPrints(command);
    });
  });
}
