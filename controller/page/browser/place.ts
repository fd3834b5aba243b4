// What the page shows, kept in its address, so that it can be linked to, and back goes back: the
// Service behind the #.

import { element } from "./element.ts";

/** "namespace/name", or empty. */
export function chosenService(): string {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Empty: none. */
export function hrefOf(service: string): string {
  return `#${encodeURI(service)}`;
}

export function linkTo(service: string): Element {
  return element("a", { href: hrefOf(service) }, service);
}
