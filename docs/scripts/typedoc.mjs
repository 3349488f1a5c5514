// How the reference is made from the TypeScript sources.
import { fileURLToPath } from "node:url";

const pkg = (path) => fileURLToPath(new URL(`../../pkg/${path}`, import.meta.url));

export const TYPEDOC = {
  plugin: ["typedoc-plugin-markdown"],
  entryPoints: ["index.ts", "adapters/*.ts", "candidates/*.ts"].map((name) => pkg(`src/${name}`)),
  tsconfig: pkg("tsconfig.json"),
  name: "Every type and call",
  readme: "none",
  router: "member",
  githubPages: false,
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  entryFileName: "index",
  parametersFormat: "table",
  propertiesFormat: "table",
  interfacePropertiesFormat: "table",
  typeDeclarationFormat: "table",
  skipErrorChecking: false,
};
