// Chromium, with the software WebGPU adapter or with no adapter at all, and pages whose every complaint is kept.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

export const ARGUMENTS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A host that is no secure context, unlike 127.0.0.1.
  "--host-resolver-rules=MAP insecure.example 127.0.0.1",
];

const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

export function chromiumPath() {
  const path = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(path)) throw new Error(`${path} is missing: install Chromium, or name yours in CHROMIUM.`);
  return path;
}

/** `webgpu`: whether there is an adapter; `more`: arguments of the caller's own. */
export async function launch({ webgpu, more = [] }) {
  return chromium.launch({ executablePath: chromiumPath(), args: [...ARGUMENTS, ...(webgpu ? WEBGPU : []), ...more] });
}

/** Opens an address; the page's `complaints` gathers console messages, uncaught errors and dialogs, of its workers too. */
export async function openPage(context, address) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(address);
  return { page, complaints };
}
