/** Weights that are there, but in a form that is not read: what to say where a checkpoint's own are missing. */

import { RerankerError } from "../error.js";
import { isWeights } from "./file-limits.js";

const PICKLED =
  "A pickle can run code, so none is read in a browser. `tabrank convert DIR --dtype q8 -o OUT` executes nothing of it, and makes a bundle to load in its place. " +
  "On a hub, look for a revision that has model.safetensors.";
const ADAPTER = "In Python merge it with its base model, merge_and_unload() in PEFT, save the outcome, and load that folder.";
const EXPORTED = "Load the checkpoint that the graph was exported from, with its model.safetensors.";
const OTHER_FRAMEWORK = "Save the model again from PyTorch, with safetensors.";

/** The first that is there is named; the first two stand in folders without a `config.json` too. */
const FORMS: { file: string; what: string; hint: string }[] = [
  { file: "adapter_config.json", what: "an adapter without the model that it belongs to", hint: ADAPTER },
  { file: "onnx_config.json", what: "exported ONNX graphs", hint: EXPORTED },
  { file: "pytorch_model.bin", what: "pickled weights alone", hint: PICKLED },
  { file: "pytorch_model.bin.index.json", what: "pickled weights alone", hint: PICKLED },
  { file: "onnx/model.onnx", what: "an ONNX graph alone", hint: EXPORTED },
  { file: "model.onnx", what: "an ONNX graph alone", hint: EXPORTED },
  { file: "tf_model.h5", what: "TensorFlow weights alone", hint: OTHER_FRAMEWORK },
  { file: "flax_model.msgpack", what: "Flax weights alone", hint: OTHER_FRAMEWORK },
];

/** The error for an adapter whose weights would change those beside it. From an address nobody asks for one: each load would miss it. */
export const adapterBeside = (file: string): RerankerError =>
  new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message: `source has ${file}: an adapter beside the weights`, hint: ADAPTER });

/** The error for a checkpoint that lacks this file and has its weights in another form; undefined where it has none, or the file says nothing of that. */
export async function otherForm(missing: string, has: (name: string) => Promise<boolean>): Promise<RerankerError | undefined> {
  const [, folder = "", file = ""] = /^(.*\/)?(.*)$/.exec(missing) ?? [];
  const forms = file === "config.json" ? FORMS.slice(0, 2) : isWeights(file) || file.endsWith(".safetensors.index.json") ? FORMS : [];
  const isThere = await Promise.all(forms.map((form) => has(folder + form.file)));
  const found = forms.find((_, place) => isThere[place]);
  if (!found) return undefined;
  const lacks = file === "config.json" ? missing : `${folder}model.safetensors`;
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message: `the folder has no ${lacks}, but ${folder}${found.file}: ${found.what}`, hint: found.hint });
}
