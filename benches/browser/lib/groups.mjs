// On which texts and which model: everyone of a group encodes the same.
import { join } from "node:path";

/** Of random weights and the shape of a real one: times do not depend on values. */
function random(name, settings) {
  return { name, folder: join(settings.paths.random, name) };
}

/**
 * Each with its `model`, the `device`, how many `documents` of about how many tokens (`length`), whether texts are `cut` to that, and from
 * how many tokens on the peers cut them (`most`), as the model's own settings do.
 */
export function groups(settings) {
  const bert = { name: settings.modelName, folder: settings.paths.model };
  const edge = random("mxbai-edge-17m", settings);
  const base = random("gte-modernbert", settings);
  // A software WebGPU adapter takes seconds for a hundred tokens.
  const short = { device: "webgpu", documents: 8, length: 16, cut: true };
  return {
    cpu: { model: bert, device: "cpu", documents: settings.documents, length: 115, most: 256 },
    "edge-17m": { model: edge, device: "cpu", documents: settings.documents, length: 115, most: 2048 },
    "modernbert-base": { model: base, device: "cpu", documents: Math.ceil(settings.documents / 10), length: 115, most: 2048 },
    "edge-17m-long": { model: edge, device: "cpu", documents: 1, length: 2048, cut: true, most: 2048 },
    webgpu: { model: bert, ...short, most: 256 },
    "modernbert-webgpu": { model: random("tiny-modernbert", settings), ...short, most: 2048 },
  };
}
