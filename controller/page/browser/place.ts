// What the page shows, kept in its address: the Service behind the #. So it can be linked to, and
// the browser's back button works.

import { element } from "./element.ts";

/** Returns "namespace/name", or empty. */
export function chosenService(): string {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns the address of a Service's detail; empty: no Service. */
export function hrefOf(service: string): string {
  return `#${encodeURI(service)}`;
}

/** Makes a link to the detail of a Service, "namespace/name". */
export function linkTo(service: string): Element {
  return element("a", { href: hrefOf(service) }, service);
}
