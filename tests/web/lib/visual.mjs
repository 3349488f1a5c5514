// A tiny model that reads pages, with pages whose embeddings and scores the reference computed.
import { readFileSync } from "node:fs";
import { need } from "./paths.mjs";
import { readTensors } from "./safetensors.mjs";

const FOLDER = "tests/fixtures/visual/colmodernvbert";

/** The checkpoint's folder on the server and below the repository's root, and the reference's values. Pages that are not cut are left out: no setting of ours leaves a page whole. */
export function visualCase() {
  const { queries, pages, scores, maps, settings } = JSON.parse(readFileSync(need(`${FOLDER}/expected.json`, "git checkout tests/fixtures"), "utf8"));
  const tensors = readTensors(need(`${FOLDER}/expected.safetensors`, "git checkout tests/fixtures"));
  const cut = pages.flatMap((page, index) => (page.split ? [{ ...page, index, ...pixelsOf(tensors.get(`page.${index}.pixels`)), embeddings: tensors.get(`page.${index}.embeddings`).values }] : []));
  return { checkpoint: "fixtures/visual/colmodernvbert/checkpoint/", folder: `${FOLDER}/checkpoint`, settings, queries, pages: cut, scores, maps };
}

/** A file of a picture, and the pixels that the reference reads of it. */
export function pictureFile(name) {
  const tensors = readTensors(need("tests/fixtures/visual/pictures/expected.safetensors", "git checkout tests/fixtures"));
  return { path: `fixtures/visual/pictures/files/${name}`, ...pixelsOf(tensors.get(`file.${name}`)) };
}

/** As a canvas has them; as numbers, so that they cross to the page. */
function pixelsOf({ shape: [height, width], values }) {
  const rgba = Array.from({ length: 4 * width * height }, (_, at) => (at % 4 === 3 ? 255 : values[3 * Math.floor(at / 4) + (at % 4)]));
  return { width, height, rgba };
}
