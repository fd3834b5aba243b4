// Elements of sets and maps as nft prints them (`nft get element`, `nft list set`), or as
// capture/elements.ts writes them → SetElements, and which of them a key finds.

import { cidrContains } from "../model/ip.ts";
import type { SetElement } from "./evidence.ts";
import { withProtocolNames } from "./protocol-names.ts";

/** Returns those of the first set or map in the text; none when it has no elements. */
export function elementsFrom(text: string): SetElement[] {
  const [, list = ""] = /elements = \{([^}]*)\}/.exec(withProtocolNames(text)) ?? [];
  const texts = list.split(",").map((each) => each.trim().replaceAll(/\s+/g, " "));
  return texts.filter((each) => each !== "").map(elementFrom);
}

/** The elements of one set or map, for lookups of many keys. */
export class ElementIndex {
  readonly #byKey: ReadonlyMap<string, SetElement>;
  readonly #prefixes: readonly SetElement[];

  constructor(elements: readonly SetElement[]) {
    this.#byKey = new Map(elements.map((element) => [element.key, element]));
    this.#prefixes = elements.filter(({ key }) => key.includes("/"));
  }

  /**
   * Returns the element for a key: the same key, or a prefix (of its last part) that contains it.
   */
  find(key: string): SetElement | undefined {
    return this.#byKey.get(key) ?? this.#prefixes.find((each) => containsKey(each.key, key));
  }
}

/** "10.96.0.10 . tcp . 80 : goto verdict_keep"; an IPv6 address has colons without spaces. */
function elementFrom(text: string): SetElement {
  const [key = "", value] = text.split(" : ");
  return { key, value };
}

function containsKey(element: string, key: string): boolean {
  const [parts, wanted] = [element.split(" . "), key.split(" . ")];
  const [last, address] = [parts.pop() ?? "", wanted.pop() ?? ""];
  if (!last.includes("/") || parts.join() !== wanted.join()) return false;
  return cidrContains(last, address);
}
