import "https://cdn.jsdelivr.net/npm/tabrank@0.1.0/dist/worker.js";
