// Files of this site, or an error that says what to do.
import { failure } from "./problem.ts";

export async function fetchFile(folder: URL, name: string, hint: string): Promise<ArrayBuffer> {
  const response = await fetch(new URL(name, folder)).catch(() => undefined);
  if (response === undefined) {
    throw failure("NETWORK", `${name} could not be fetched.`, "Check the connection and try again.");
  }
  if (!response.ok) throw failure("HTTP_STATUS", `The server answered ${response.status} for ${name}.`, hint);
  return response.arrayBuffer();
}
