import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProductForm } from "../../src/worker/product-form.js";
import { stubStorage } from "../support/storage.js";

class Module {
  used = "first";
  measured = 0;

  constructor(readonly speeds: Record<string, number>) {}

  productForms = () => Object.keys(this.speeds);
  useProductForm = (form: string) => {
    const known = form in this.speeds;
    if (known) this.used = form;
    return known;
  };
  measureProductForms = () => {
    this.measured += 1;
    return Object.entries(this.speeds).map(([form, gops]) => ({ form, gops }));
  };
}

async function visit(module: Module): Promise<Module> {
  const form = new ProductForm(module);
  await form.recall();
  await form.settle();
  await form.settle();
  return module;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 26) });
  vi.stubGlobal("navigator", { userAgent: "Mozilla/5.0 Chrome/150.0.1.2 Safari/537.36" });
  stubStorage();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("the form of the byte product", () => {
  const both = { first: 80, second: 120 };

  test("is measured once, after a result, and remembered for this browser", async () => {
    expect(await visit(new Module(both))).toMatchObject({ used: "second", measured: 1 });
    expect(await visit(new Module(both))).toMatchObject({ used: "second", measured: 0 });
    vi.stubGlobal("navigator", { userAgent: "Mozilla/5.0 Chrome/151.0.1.2 Safari/537.36" });
    expect(await visit(new Module(both))).toMatchObject({ used: "second", measured: 1 });
  });

  test("is measured anew where the one that is remembered is not there, or storage is denied", async () => {
    await visit(new Module(both));
    expect(await visit(new Module({ first: 80, third: 70 }))).toMatchObject({ used: "first", measured: 1 });
    vi.stubGlobal("caches", { open: () => Promise.reject(new Error("denied")) });
    expect(await visit(new Module(both))).toMatchObject({ used: "second", measured: 1 });
  });

  test("of a module that has one alone is not measured", async () => {
    expect(await visit(new Module({ first: 80 }))).toMatchObject({ used: "first", measured: 0 });
  });
});
