/** Decodes files as the reference library does where browsers do not, by a module of its own, which is fetched with the first such file. */

import { RerankerError } from "../error.js";
import type { PixelsAnswer } from "../protocol.js";
import type { ImagesModule } from "./engine.js";
import { compileModule } from "./wasm-module.js";
import { misfit } from "./wasm-proof.js";

export class Decoder {
  readonly #module: ImagesModule;
  #ready: Promise<unknown> | undefined;

  constructor(module: ImagesModule) {
    this.#module = module;
  }

  /** `wasm`: the module's address. */
  async decode(file: Blob, wasm: string): Promise<PixelsAnswer> {
    this.#ready ??= this.#start(wasm);
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
    return this.#pixels(new Uint8Array(await file.arrayBuffer()));
  }

  async #start(wasm: string): Promise<void> {
    const compiled = await compileModule(wasm);
    try {
      await this.#module.init({ module_or_path: compiled });
    } catch (error) {
      throw misfit(wasm, error);
    }
  }

  #pixels(file: Uint8Array): PixelsAnswer {
    try {
      const picture = new this.#module.DecodedPicture(file);
      const { width, height } = picture;
      return { width, height, rgba: picture.intoRgba() };
    } catch (cause) {
      // The engine has an instance of its own, and lives on.
      if (!(cause instanceof WebAssembly.RuntimeError)) throw cause;
      throw new RerankerError({ code: "INVALID_INPUT", message: "the picture cannot be decoded: it is damaged, or takes more memory than there is" }, { cause });
    }
  }
}
