// Breaks this worker's browser before the package's own script runs: `fault` names how, `lives` for how many workers, `life` which one this is.
import { gpuFaults } from "./gpu-faults.js";
import { workerFaults } from "./worker-faults.js";

const { searchParams } = new URL(self.location.href);
const channel = new BroadcastChannel("faults");
const faults = { ...gpuFaults, ...workerFaults };

/** What a fault uses to tell that it struck, and to hear when it shall. */
const test = {
  struck: (what) => channel.postMessage({ struck: what }),
  onOrder: (listener) => channel.addEventListener("message", ({ data }) => data.order && listener(data.order)),
};

function isHit() {
  const lives = searchParams.get("lives");
  return lives === null || Number(searchParams.get("life")) <= Number(lives);
}

for (const name of searchParams.getAll("always")) faults[name](test);
if (isHit()) for (const name of searchParams.getAll("fault")) faults[name](test);
