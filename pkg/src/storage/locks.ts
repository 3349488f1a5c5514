/** Locks that all tabs of an origin share. Where there are none, tasks run at once: what is stored is checked in any case, they only spare work. */

/** Runs a task while no other one has the lock. */
export function exclusively<T>(name: string, task: () => Promise<T>): Promise<T> {
  const { locks } = navigator;
  return locks ? locks.request(name, task) : task();
}

/** Runs a task that any number of others may share the lock with. */
export function together<T>(name: string, task: () => Promise<T>): Promise<T> {
  const { locks } = navigator;
  return locks ? locks.request(name, { mode: "shared" }, task) : task();
}

/** Takes a lock that any number of others may share; the answer lets it go. */
export function joined(name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    together(name, () => new Promise<void>((letGo) => resolve(letGo))).catch(reject);
  });
}

/** Runs a task if nobody has the lock at the moment, and else does without. */
export async function ifNobodyHas(name: string, task: () => Promise<void>): Promise<void> {
  const { locks } = navigator;
  await (locks ? locks.request(name, { ifAvailable: true }, (lock) => (lock ? task() : undefined)) : task());
}
