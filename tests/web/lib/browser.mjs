// Chromium, with the software WebGPU adapter or with no adapter at all, or another engine, and pages whose every complaint is kept.
import { chromium } from "playwright-core";
import { launchFirefox } from "./engines/firefox.mjs";
import { installed } from "./engines/programs.mjs";
import { launchWebKit } from "./engines/webkit.mjs";

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
  return installed("CHROMIUM", ["/usr/bin/chromium"], "chromium");
}

const ENGINES = { chromium: launchChromium, firefox: launchFirefox, webkit: launchWebKit };

/** The engine that tests run in which name none. */
export const ENGINE = process.env.ENGINE ?? "chromium";

/** `webgpu`: whether there is an adapter, and `more`: arguments of the caller's own, are for Chromium; `proxy`: the port of the server. */
export function launch({ engine = ENGINE, ...options }) {
  return ENGINES[engine](options);
}

function launchChromium({ webgpu, more = [] }) {
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
