// An app of examples/ as a user has it: copied to a folder of its own, with the packed package, a tiny checkpoint and the texts that the reference ranked.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { need, ROOT } from "../../web/lib/paths.mjs";
import { FOLDERS } from "../../web/lib/server.mjs";
import { tinyCase } from "../../web/lib/tiny.mjs";

const run = promisify(execFile);

const ENVIRONMENT = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1" };

/** Milliseconds until a server has to answer. */
const PATIENCE = 60_000;

const version = JSON.parse(await readFile(join(ROOT, "pkg/package.json"), "utf8")).version;

/** `beside`: the folder of the app whose files are served as they are. */
export async function prepareApp(name, { beside = "." } = {}) {
  const tiny = await tinyCase("pylate");
  const folder = join(FOLDERS.apps, name);
  const site = join(folder, beside);
  await rm(folder, { recursive: true, force: true });
  await cp(join(ROOT, "examples", name), folder, { recursive: true });
  await cp(join(ROOT, tiny.folder), join(site, "model"), { recursive: true });
  await writeFile(join(site, "hits.json"), JSON.stringify(tiny.documents.map((body, index) => ({ title: String(index), body }))));
  const app = {
    tiny,
    folder,
    install: (...packages) => run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ...packages], { cwd: folder }),
    script: (script, ...options) => run("npm", ["run", "--silent", script, "--", ...options], { cwd: folder, env: ENVIRONMENT }),
    start: (script, options) => startServer(folder, script, options),
    edit: (file, before, after) => edit(join(folder, file), before, after),
    /** The package's own files, served beside the page. */
    copyPackage: () => cp(join(folder, "node_modules/tabrank/dist"), join(site, "tabrank"), { recursive: true }),
  };
  if (!existsSync(join(folder, "package.json"))) return app;
  await app.edit("package.json", `"tabrank": "${version}"`, `"tabrank": "file:${need(`pkg/tabrank-${version}.tgz`, "make site")}"`);
  await app.install();
  return app;
}

async function edit(file, before, after) {
  const text = await readFile(file, "utf8");
  assert.ok(text.includes(before), `${file} has no ${before}`);
  await writeFile(file, text.replace(before, () => after));
}

/** `npm run SCRIPT` as a server, once it answers. npm and what it starts are one group, and end together. */
async function startServer(folder, script, options = (port) => ["--port", port]) {
  const port = await freePort();
  const server = spawn("npm", ["run", "--silent", script, "--", ...options(String(port))], { cwd: folder, env: ENVIRONMENT, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (data) => (said += data));
  const close = () => void (server.exitCode === null && process.kill(-server.pid));
  const url = `http://localhost:${port}/`;
  for (const start = Date.now(); !(await fetch(url).catch(() => undefined)); ) {
    if (server.exitCode === null && Date.now() - start < PATIENCE) await new Promise((resolve) => setTimeout(resolve, 100));
    else {
      close();
      throw new Error(`npm run ${script} does not answer: ${said}`);
    }
  }
  return { url, close };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
