// Elements and text nodes, nothing parsed: all texts on this page are untrusted.

type Attributes = Record<string, string | number | boolean | undefined>;
type Child = Node | string;

/** An attribute is left out where its value is false or undefined, and empty where it is true. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** As `el`, of a drawing. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  return element;
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

export function button(label: Child, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = el("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** An element that index.html promises. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element with the id ${id}`);
  return element as T;
}

/** Replaces what the element holds. Focus stays inside: on the control with the same name, else on the first one. */
export function fill(parent: HTMLElement, ...children: Child[]): void {
  const focused = parent.contains(document.activeElement) ? (document.activeElement as HTMLElement) : undefined;
  const name = focused?.textContent;
  parent.replaceChildren(...children);
  if (focused === undefined) return;
  const controls = [...parent.querySelectorAll<HTMLElement>("button, summary")];
  const next = controls.find((item) => item.textContent === name) ?? controls[0];
  next?.focus({ preventScroll: true });
}

let ids = 0;

export function uniqueId(prefix: string): string {
  return `${prefix}-${++ids}`;
}
