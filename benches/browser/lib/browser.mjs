// The one browser that everything runs in.
import { chromium } from "playwright-core";

// The WebGPU adapter is in software, so that the bench runs on a machine without a GPU.
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

export async function launch(executablePath) {
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/** A page with a storage, a cache and a renderer process of its own: { page, close }. */
export async function openPage(browser, origin) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/bench/index.html`);
  return { page, close: () => context.close() };
}
