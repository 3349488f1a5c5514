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

/** Runs `use(page)` on a page with a storage, a cache and a renderer process of its own. */
export async function withPage(browser, origin, use) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${origin}/bench/index.html`);
    return await use(page);
  } finally {
    await context.close();
  }
}
