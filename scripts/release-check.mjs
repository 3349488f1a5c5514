// Whether a commit may be released under a tag, in a repository: what the release workflow asks before it builds anything.
//
//   node scripts/release-check.mjs v0.2.0 OWNER/NAME

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), "utf8");

const [tag, repository] = process.argv.slice(2);
if (!tag || !repository) throw new Error("usage: node scripts/release-check.mjs vX.Y.Z OWNER/NAME");
const manifest = JSON.parse(read("pkg/package.json"));
const crate = read("Cargo.toml");
const problems = [
  [tag === `v${manifest.version}`, `the tag is ${tag}, and the version ${manifest.version}`],
  [read("CHANGELOG.md").includes(`\n## ${manifest.version} - `), `CHANGELOG.md has no section ${manifest.version}: node scripts/bump.mjs makes it`],
  // npm says where a package was built only if it names that place itself.
  [String(manifest.repository?.url).includes(`/${repository}`), `pkg/package.json names another repository than ${repository}, or none`],
  [crate.includes(`\nrepository = "https://github.com/${repository}"\n`), `Cargo.toml names another repository than ${repository}, or none`],
].flatMap(([isRight, problem]) => (isRight ? [] : [problem]));
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exitCode = 1;
}
