/** A page's elements beside Node's own globals, which the engine's threads need. Imported before a framework, which looks for them at once. */

import { Window } from "happy-dom";

const window = new Window();
const { document, navigator, Element, HTMLElement, HTMLIFrameElement, Node, SVGElement } = window;
const globals = { window, document, navigator, Element, HTMLElement, HTMLIFrameElement, Node, SVGElement };
for (const [name, value] of Object.entries(globals)) if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
