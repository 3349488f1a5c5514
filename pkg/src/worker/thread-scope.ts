/** Where the worker's script runs in a thread of Node's: how it hears the page, answers, and hears of failures that no call has caught. */

import { builtin } from "../node.js";
import type { FromWorker, ToWorker } from "../protocol.js";

export interface Scope {
  post(message: FromWorker, transfer: Transferable[]): void;
  onMessage(listener: (message: ToWorker) => void): void;
  onFailure(listener: (error: unknown) => void): void;
}

interface Port {
  postMessage(message: FromWorker, transfer: Transferable[]): void;
  on(event: "message", listener: (message: ToWorker) => void): void;
}

interface Process {
  on(event: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): void;
}

export function threadScope(): Scope {
  const port = builtin<{ parentPort: Port }>("worker_threads")!.parentPort;
  const process = builtin<Process>("process")!;
  return {
    post: (message, transfer) => port.postMessage(message, transfer),
    onMessage: (listener) => port.on("message", listener),
    onFailure: (listener) => {
      process.on("uncaughtException", listener);
      process.on("unhandledRejection", listener);
    },
  };
}
