// Makes the page work without a connection, and offers its next version. Browsers without service workers, or that refuse them here, do without.
import type { Message } from "./service-worker.ts";

export interface OfflineEvents {
  /** All that was loaded so far is kept. */
  kept(): void;
  /** A newer version of the page is there; `takeOver` reloads the page as that. */
  update(takeOver: () => void): void;
}

export async function workOffline(events: OfflineEvents): Promise<void> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (container === undefined || !import.meta.env.PROD) return;
  const registration = await container.register("./service-worker.js").catch(() => undefined);
  if (registration === undefined) return;
  watchForUpdate(container, registration, events);
  const { active } = await container.ready;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => events.kept();
  const addresses = performance.getEntriesByType("resource").map(({ name }) => name);
  active?.postMessage({ kind: "keep", addresses } satisfies Message, [port2]);
}

function watchForUpdate(container: ServiceWorkerContainer, registration: ServiceWorkerRegistration, events: OfflineEvents): void {
  const offer = (next: ServiceWorker) =>
    events.update(() => {
      container.addEventListener("controllerchange", () => location.reload(), { once: true });
      next.postMessage({ kind: "takeOver" } satisfies Message);
    });
  if (registration.waiting && container.controller) offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const next = registration.installing;
    next?.addEventListener("statechange", () => {
      // The first version takes over by itself.
      if (next.state === "installed" && container.controller) offer(next);
    });
  });
}
