/** A folder of this machine under an address that nobody else can ask. */

import { builtin } from "../node.js";
import { fs } from "./host.js";

interface Answer {
  writeHead(status: number): Answer;
  end(body?: Uint8Array): void;
}

interface Server {
  listen(port: number, host: string, ready: () => void): void;
  address(): { port: number };
  close(): void;
  closeAllConnections(): void;
}

interface Http {
  createServer(answer: (request: { url: string }, answer: Answer) => void): Server;
}

interface Random {
  randomUUID(): string;
}

const HOST = "127.0.0.1";

/** Other users of the machine do not know the path. */
export async function folderServer(folder: string): Promise<{ url: string; close(): void }> {
  const root = `/${builtin<Random>("crypto")!.randomUUID()}/`;
  const server = builtin<Http>("http")!.createServer(({ url }, answer) => {
    const bytes = url.startsWith(root) ? contentOf(folder, url.slice(root.length)) : undefined;
    answer.writeHead(bytes ? 200 : 404).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${HOST}:${server.address().port}${root}`, close };
}

function contentOf(folder: string, path: string): Uint8Array | undefined {
  try {
    const name = decodeURIComponent(path);
    return name.split("/").includes("..") ? undefined : fs.readFileSync(`${folder}/${name}`);
  } catch {
    return undefined;
  }
}
