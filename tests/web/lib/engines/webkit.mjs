// WebKit, in WebKitGTK's small browser, over WebDriver, on a display of its own.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { DrivenPage } from "./driven-page.mjs";
import { installed, start } from "./programs.mjs";
import { Session } from "./webdriver.mjs";

const LIBRARIES = `/usr/lib/${{ x64: "x86_64", arm64: "aarch64" }[process.arch]}-linux-gnu`;
const BROWSERS = ["4.1", "6.0", "4.0"].map((version) => `${LIBRARIES}/webkit2gtk-${version}/MiniBrowser`);
/** Services of a desktop, which are waited for where there is none. */
const NO_DESKTOP = { DBUS_SESSION_BUS_ADDRESS: "disabled:", GSETTINGS_BACKEND: "memory", GTK_A11Y: "none", NO_AT_BRIDGE: "1" };
/** High enough for a whole page in one picture. */
const SCREEN = "1600x6000x24";
/** Milliseconds that a driver may take until it has a browser, and between two looks. Beside another one that starts it may wait for its browser for ever. */
const STARTING = 6_000;
const PAUSE = 50;
const TRIES = 5;

/** `proxy`: the port of the server that answers for `insecure.example`. */
export async function launchWebKit({ proxy }) {
  const browser = installed("MINIBROWSER", BROWSERS, "webkit");
  const display = await openDisplay();
  const environment = { ...process.env, ...NO_DESKTOP, DISPLAY: display.name };
  const contexts = new Set();
  return {
    version: () => /[\d.]+/.exec(execFileSync(browser, ["--version"], { env: environment, encoding: "utf8" }))[0],
    newContext: (options) => newContext({ browser, environment, proxy, contexts }, options),
    close: async () => {
      await Promise.all([...contexts].map((context) => context.close()));
      await display.close();
    },
  };
}

async function openDisplay() {
  const server = start(installed("XVFB", ["/usr/bin/Xvfb"], "webkit"), ["-displayfd", "3", "-screen", "0", SCREEN, "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const [number] = await once(server.stdio[3], "data");
  return { name: `:${String(number).trim()}`, close: server.end };
}

/** A browser of its own, of one page and in private mode, as automated ones are. */
async function newContext(place, { viewport } = {}) {
  const { session, driver } = await openSession(place);
  const context = {
    newPage: () => newPage(session, viewport),
    /** What is asked for is done by pages/heard.js. */
    addInitScript: async () => {},
    close: async () => {
      place.contexts.delete(context);
      await session.close();
      await driver.end();
    },
  };
  place.contexts.add(context);
  return context;
}

async function openSession({ browser, environment, proxy }) {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const driver = start(installed("WEBKIT_DRIVER", ["/usr/bin/WebKitWebDriver"], "webkit"), [`--port=${port}`], { env: environment, stdio: "ignore" });
    try {
      const session = await Session.open(`http://127.0.0.1:${port}`, AbortSignal.timeout(STARTING), {
        "webkitgtk:browserOptions": { binary: browser, args: ["--automation"] },
        proxy: { proxyType: "manual", httpProxy: `127.0.0.1:${proxy}`, noProxy: ["127.0.0.1", "localhost"] },
      });
      return { session, driver };
    } catch (error) {
      await driver.end();
      if (tries === TRIES) throw error;
    }
  }
}

async function newPage(session, viewport) {
  const view = new View(session);
  if (viewport) await view.resize(viewport);
  const driver = { screenshot: () => view.screenshot(), close: () => {} };
  for (const name of ["goto", "reload", "run", "click", "type", "press"]) driver[name] = (...given) => session[name](...given);
  return new DrivenPage(driver);
}

/** What a window shows of a page. */
class View {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** The bars around the view keep their size; what comes into view is drawn a little later. */
  async resize({ width, height }) {
    const [bars, frame] = await this.#measure("[outerHeight - innerHeight, outerWidth - innerWidth]");
    await this.#session.resize({ width: width + frame, height: height + bars });
    await this.#session.run(`(async () => {
      while (innerHeight !== ${height}) await new Promise((resolve) => setTimeout(resolve, ${PAUSE}));
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    })()`);
  }

  /** A picture of the whole page: a driver has that of the view alone. */
  async screenshot() {
    const [width, height, whole] = await this.#measure("[innerWidth, innerHeight, document.documentElement.scrollHeight]");
    await this.resize({ width, height: whole });
    const picture = await this.#session.screenshot();
    await this.resize({ width, height });
    return picture;
  }

  async #measure(expression) {
    return JSON.parse(await this.#session.run(`JSON.stringify(${expression})`));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
