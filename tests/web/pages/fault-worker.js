// The package's worker in a browser that is broken in the way that the address asks for.
import "./faults.js";
import "../package/worker.js";
