// Elements from code. Text is always text: nothing that comes from the cluster becomes markup.

type Attributes = Readonly<Record<string, string | number | undefined>>;
type Child = Node | string;

const SVG = "http://www.w3.org/2000/svg";

/** Attributes that are undefined are left out. */
export function element(tag: string, attributes: Attributes = {}, ...children: Child[]) {
  return filled(document.createElement(tag), attributes, children);
}

/** Makes an element of SVG; attributes that are undefined are left out. */
export function svgElement(tag: string, attributes: Attributes = {}, ...children: Child[]) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled<E extends Element>(made: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/** The element of page.html with this id; throws when there is none. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`page.html has no #${id}`);
  return found as E;
}

/**
 * Makes the children of `parent` those of `items`. An item that is the same as last time keeps its
 * element, so that focus, selection and scrolling stay.
 */
export function showList<T>(
  parent: Element,
  items: readonly T[],
  keyOf: (item: T) => string,
  make: (item: T) => Element,
): void {
  const before = new Map([...parent.children].map((child) => [dataOf(child).key, child]));
  const active = document.activeElement;
  const focused = active && parent.contains(active) ? closestKey(active, parent) : undefined;
  const children = items.map((item) => {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const old = before.get(key);
    if (old && dataOf(old).text === text) return old;
    const made = make(item);
    known.set(made, { key, text });
    return made;
  });
  if (sameChildren(parent, children)) return;
  parent.replaceChildren(...children);
  if (focused === undefined) return;
  const again = children.find((child) => dataOf(child).key === focused);
  const target = again?.matches("a, button") ? again : again?.querySelector("a, button");
  if (target !== document.activeElement) (target as HTMLElement | null)?.focus();
}

const known = new WeakMap<Element, { key: string; text: string }>();

function dataOf(child: Element): { key?: string; text?: string } {
  return known.get(child) ?? {};
}

function closestKey(inner: Element, parent: Element): string | undefined {
  const child = [...parent.children].find((each) => each.contains(inner));
  return child && dataOf(child).key;
}

function sameChildren(parent: Element, children: readonly Element[]): boolean {
  return (
    parent.children.length === children.length &&
    children.every((child, index) => parent.children[index] === child)
  );
}
