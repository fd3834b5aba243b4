// Two sorted lists of backends → what one has and the other has not. Cheap where most are in both:
// the same endpoints have the same address objects, which need no comparison of text.

import { compareAddresses } from "../model/ip.ts";
import type { Backend } from "./types.ts";

/** Both sorted. A backend of which only a flag differs (local, its weight, …) is in both. */
interface BackendDifference {
  gone: readonly Backend[];
  come: readonly Backend[];
}

const NONE: readonly Backend[] = [];
const NO_DIFFERENCE: BackendDifference = { gone: NONE, come: NONE };

/** Compares two lists, sorted as in Frontend; NO_DIFFERENCE where they have the same backends. */
export function backendDifference(
  before: readonly Backend[] = NONE,
  after: readonly Backend[] = NONE,
): BackendDifference {
  if (before === after) return NO_DIFFERENCE;
  const gone: Backend[] = [];
  const come: Backend[] = [];
  let index = 0;
  for (const backend of after) {
    let other = before[index];
    while (other && comparePlaces(other, backend) < 0) {
      gone.push(other);
      other = before[++index];
    }
    if (!other || comparePlaces(other, backend) > 0) come.push(backend);
    else {
      if (!hasSameFlags(other, backend)) {
        gone.push(other);
        come.push(backend);
      }
      index += 1;
    }
  }
  for (; index < before.length; index++) gone.push(before[index] as Backend);
  return gone.length + come.length === 0 ? NO_DIFFERENCE : { gone, come };
}

function hasSameFlags(a: Backend, b: Backend): boolean {
  return a.local === b.local && a.weight === b.weight && a.isPreferred === b.isPreferred;
}

/** Reports whether two lists, sorted as in Frontend, have the same backends. */
export function areSameBackends(a: readonly Backend[], b: readonly Backend[]): boolean {
  return backendDifference(a, b) === NO_DIFFERENCE;
}

/** Compares lists, each pair once: the frontends of a ServicePort share theirs. */
export class BackendDifferences {
  readonly #known = new Map<
    readonly Backend[],
    { before: readonly Backend[] | undefined; difference: BackendDifference }
  >();

  between(
    before: readonly Backend[] | undefined,
    after: readonly Backend[] | undefined,
  ): BackendDifference {
    const known = after && this.#known.get(after);
    if (known && known.before === before) return known.difference;
    const difference = backendDifference(before, after);
    if (after) this.#known.set(after, { before, difference });
    return difference;
  }

  areSame(before: readonly Backend[] | undefined, after: readonly Backend[] | undefined): boolean {
    if ((before === undefined) !== (after === undefined)) return false;
    return this.between(before, after) === NO_DIFFERENCE;
  }
}

/** Orders by (address bytes, port). */
export function comparePlaces(a: Backend, b: Backend): number {
  if (a.address === b.address) return a.port - b.port;
  return compareAddresses(a.address, b.address);
}
