// Makes the pages of the reference that others than people write: the package's README, the command line's help, and every type and call.
//
//   node scripts/generate.mjs --tabrank ../target/release/tabrank
import { spawnSync } from "node:child_process";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Application } from "typedoc";
import { TYPEDOC } from "./typedoc.mjs";

const REFERENCE = fileURLToPath(new URL("../reference/", import.meta.url));
const README = fileURLToPath(new URL("../../pkg/README.md", import.meta.url));

const { values: options } = parseArgs({ options: { tabrank: { type: "string" } } });
if (options.tabrank === undefined) throw new Error("--tabrank is missing");

await writeFile(join(REFERENCE, "package.md"), packagePage(await readFile(README, "utf8")));
await writeFile(join(REFERENCE, "cli.md"), cliPage());
await writeApi();

/** The README with its links as they are from here. */
function packagePage(readme) {
  return readme
    .replace(/^# .*/, "# The package")
    .replace(/\]\(\.\.\/docs\//g, "](../")
    .replace(/\]\(\.\.\/(?=[a-z]+\/)(?!how-to|explanation|reference)/g, "](../../");
}

function cliPage() {
  const sections = commands([]).map((path) => `## ${["tabrank", ...path].join(" ")}\n\n\`\`\`text\n${help(path)}\n\`\`\`\n`);
  return `# The command line\n\nWhat \`--help\` says of each command. [Rank on the command line](../how-to/command-line.md) shows them at work.\n\n${sections.join("\n")}`;
}

/** This command and all below it. */
function commands(path) {
  const [, list = ""] = /^Commands:\n((?: .*\n)*)/m.exec(help(path)) ?? [];
  const below = [...list.matchAll(/^  (\w[\w-]*)/gm)].map(([, name]) => name).filter((name) => name !== "help");
  return [path, ...below.flatMap((name) => commands([...path, name]))];
}

function help(path) {
  const { stdout, stderr, status } = spawnSync(options.tabrank, [...path, "--help"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`tabrank ${path.join(" ")} --help ended with ${status}: ${stderr}`);
  return stdout.trim();
}

async function writeApi() {
  const out = join(REFERENCE, "api");
  await rm(out, { recursive: true, force: true });
  const app = await Application.bootstrapWithPlugins({ ...TYPEDOC, out });
  const project = await app.convert();
  if (project === undefined) throw new Error("typedoc could not read the package");
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("typedoc complained, see above");
  await moveIndexPages(out);
}

/** The page of the class `Index` cannot be Index.md: it would be the page of its folder. */
async function moveIndexPages(folder) {
  for (const file of (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".md"))) {
    const text = await readFile(join(folder, file), "utf8");
    await writeFile(join(folder, file), text.replace(/\bIndex\.md\b/g, "Index-class.md"));
    if (basename(file) === "Index.md") await rename(join(folder, file), join(folder, dirname(file), "Index-class.md"));
  }
}
