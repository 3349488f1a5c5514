// The models that the page offers by name. What is said of them was written down, so that no hub is asked for it.
import { megabytes } from "./format.ts";
import type { ModelFacts } from "./model-size.ts";

/** Of Hugging Face. */
export interface KnownModel extends Required<ModelFacts> {
  /** Owner and name. */
  id: string;
  about: string;
}

export const OWN_MODEL = { licence: "Apache 2.0", about: "English, 256 tokens a text; a plain encoder, small and quick" };

/** Reads pages as images, and no texts. The size is that of its 252,100,736 numbers in f32. */
export const PAGE_MODEL: KnownModel & { name: string } = {
  id: "ModernVBERT/colmodernvbert-merged",
  name: "ColModernVBERT",
  size: 1_008_402_944,
  licence: "MIT",
  about: "English, ModernBERT of 22 layers behind a SigLIP 2 of 12",
};

/** What it is, where, how large and under which licence. `host`: of the hub. */
export function aboutPageModel(host: string): string {
  const { id, name, size, licence, about } = PAGE_MODEL;
  return `${name} (${id}, about ${megabytes(size)} from ${host}, ${licence}; ${about})`;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  { id: "mixedbread-ai/mxbai-edge-colbert-v0-17m", size: 67_818_744, licence: "Apache 2.0", about: "English, ModernBERT of 7 layers" },
  { id: "answerdotai/answerai-colbert-small-v1", size: 133_610_664, licence: "Apache 2.0", about: "English, BERT of 12 layers" },
  { id: "colbert-ir/colbertv2.0", size: 438_349_816, licence: "MIT", about: "English, BERT of 12 layers; ColBERTv2 itself" },
  { id: "lightonai/GTE-ModernColBERT-v1", size: 596_469_584, licence: "Apache 2.0", about: "English, ModernBERT of 22 layers" },
];
