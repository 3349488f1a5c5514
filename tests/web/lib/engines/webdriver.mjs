// A session of a WebDriver server (www.w3.org/TR/webdriver2), as far as tests need one.

/** Special keys, by their names in the DOM. */
const KEYS = { Enter: "\uE007", Escape: "\uE00C", Tab: "\uE004", ArrowLeft: "\uE012", ArrowUp: "\uE013", ArrowRight: "\uE014", ArrowDown: "\uE015" };
/** Milliseconds that a script may take. */
const PATIENCE = 600_000;
/** Milliseconds between two looks at a server that starts. */
const PAUSE = 50;

export class Session {
  #address;

  constructor(address) {
    this.#address = address;
  }

  /** Asks the server at an address, which may be about to listen, for a session. */
  static async open(server, signal, capabilities) {
    await listening(server, signal);
    const { sessionId } = await call("POST", `${server}/session`, { capabilities: { alwaysMatch: capabilities } }, signal);
    const session = new Session(`${server}/session/${sessionId}`);
    await session.#post("timeouts", { script: PATIENCE });
    return session;
  }

  goto(url) {
    return this.#post("url", { url });
  }

  reload() {
    return this.#post("refresh", {});
  }

  /** What an expression comes to; promises are waited for. */
  run(expression) {
    return this.#post("execute/async", { script: `Promise.resolve(${expression}).then(arguments[0]);`, args: [] });
  }

  click(x, y) {
    const press = ["pointerDown", "pointerUp"].map((type) => ({ type, button: 0 }));
    const actions = [{ type: "pointerMove", x: Math.round(x), y: Math.round(y) }, ...press];
    return this.#post("actions", { actions: [{ type: "pointer", id: "mouse", actions }] });
  }

  type(text) {
    return this.#keys([...text]);
  }

  press(key) {
    return this.#keys([KEYS[key] ?? key]);
  }

  #keys(keys) {
    const actions = keys.flatMap((value) => ["keyDown", "keyUp"].map((type) => ({ type, value })));
    return this.#post("actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  /** The window's size, its frame and bars included. */
  resize({ width, height }) {
    return this.#post("window/rect", { x: 0, y: 0, width, height });
  }

  async screenshot() {
    return Buffer.from(await call("GET", `${this.#address}/screenshot`), "base64");
  }

  close() {
    return call("DELETE", this.#address);
  }

  #post(path, body) {
    return call("POST", `${this.#address}/${path}`, body);
  }
}

async function listening(server, signal) {
  while (!(await fetch(`${server}/status`, { signal }).catch(() => signal.throwIfAborted()))) await new Promise((resolve) => setTimeout(resolve, PAUSE));
}

async function call(method, address, body, signal) {
  const response = await fetch(address, { method, body: body && JSON.stringify(body), signal });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${method} ${new URL(address).pathname}: ${value.error}: ${value.message}`);
  return value;
}
