// Compiles code blocks as modules of their own, with what they take for granted. The tests of samples call it, each with the packages that it has.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const OPTIONS = { strict: true, noEmit: true, allowJs: true, skipLibCheck: true, target: "es2022", module: "esnext", moduleResolution: "bundler", jsx: "react-jsx", lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [] };

/**
 * What the compiler complains of, each complaint behind its block's place and code; nothing as a rule. `home`: a folder with node_modules, the compiler's among them;
 * `given`: declarations; `options`: more of the compiler's.
 */
export function complaintsOf(blocks, { home, given, options = {} }) {
  // Below node_modules, so that its packages are found.
  const folder = join(home, "node_modules/.samples");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "given.d.ts"), given);
  const files = blocks.map(({ language }, index) => `sample-${index}.${language}`);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...OPTIONS, ...options }, files: ["given.d.ts", ...files] }));
  blocks.forEach(({ code }, index) => writeFileSync(join(folder, files[index]), `${code}\nexport {};\n`));
  const { stdout, status, error } = spawnSync(join(home, "node_modules/.bin/tsc"), ["-p", folder, "--pretty", "false"], { encoding: "utf8" });
  if (error) throw error;
  const complaints = stdout.replace(/^.*sample-(\d+)/gm, (_, index) => `${placeOf(blocks[index])}\n${blocks[index].code}\n`);
  return complaints || (status === 0 ? "" : `the compiler ended with ${status}`);
}

export const placeOf = ({ file, line, language }) => `${file}:${line} (${language})`;
