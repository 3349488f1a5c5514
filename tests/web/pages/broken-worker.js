// A worker of which a part is missing.
import "./absent.js";
