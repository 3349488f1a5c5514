/**
 * Which form of the byte product runs? All give the same numbers, and which one is the fastest depends on the processor. A visit takes the one that an earlier
 * one has found; the first finds out after its first result, when the engine's code is compiled well and nobody waits.
 */

import { findProductForm, rememberProductForm } from "../storage/product-form.js";
import type { EngineModule } from "./engine.js";

type Module = Pick<EngineModule, "productForms" | "useProductForm" | "measureProductForms">;

export class ProductForm {
  readonly #module: Module;
  #settled = false;

  constructor(module: Module) {
    this.#module = module;
  }

  /** To be called once the module is there. */
  async recall(): Promise<void> {
    this.#settled = this.#module.productForms().length < 2;
    if (this.#settled) return;
    const form = await findProductForm();
    this.#settled = form !== undefined && this.#module.useProductForm(form);
  }

  /** To be called after a result; what is measured takes some 50 ms, once. */
  async settle(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    const { form } = this.#module.measureProductForms().reduce((best, other) => (other.gops > best.gops ? other : best));
    this.#module.useProductForm(form);
    await rememberProductForm(form);
  }
}
