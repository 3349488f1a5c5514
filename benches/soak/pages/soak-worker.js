// The package's worker, of which it is known what it holds, and which comes to harm when it is told to.
import "./held.js";
import "../package/worker.js";
