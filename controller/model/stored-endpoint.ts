// An endpoint as the store keeps it. Of 100,000 endpoints, many run on the same node in the same
// state, so each has its address and Pod, and shares the rest: half the memory of plain objects.

import { sameData } from "./same-data.ts";
import type { Endpoint } from "./types.ts";

/** What many endpoints have in common. */
type EndpointFacts = Omit<Endpoint, "address" | "podName">;

class StoredEndpoint implements Endpoint {
  readonly address: string;
  readonly podName: string | undefined;
  readonly facts: EndpointFacts;

  /** `facts`: the same object for equal ones (EndpointStore). */
  constructor(address: string, podName: string | undefined, facts: EndpointFacts) {
    this.address = address;
    this.podName = podName;
    this.facts = facts;
  }

  get ready(): boolean {
    return this.facts.ready;
  }

  get serving(): boolean {
    return this.facts.serving;
  }

  get terminating(): boolean {
    return this.facts.terminating;
  }

  get nodeName(): string {
    return this.facts.nodeName;
  }

  get zone(): string {
    return this.facts.zone;
  }

  get zoneHints(): readonly string[] {
    return this.facts.zoneHints;
  }

  get nodeHints(): readonly string[] {
    return this.facts.nodeHints;
  }
}

/** Forgetting all of them costs memory, not correctness. */
const MOST_FACTS = 65_536;

export class EndpointStore {
  readonly #facts = new Map<string, EndpointFacts>();

  /** Returns an equal endpoint, with the facts of an earlier one if those are equal. */
  stored(endpoint: Endpoint): StoredEndpoint {
    return new StoredEndpoint(endpoint.address, endpoint.podName, this.#factsOf(endpoint));
  }

  /**
   * The same for a list. What an earlier form of it, `before`, has at the same place or the next is
   * kept as it is: most of a slice stays when one endpoint changes, and what is kept is neither
   * compared again nor garbage.
   */
  storedAll(endpoints: readonly Endpoint[], before: readonly Endpoint[] = []): StoredEndpoint[] {
    let place = 0;
    return endpoints.map((endpoint) => {
      if (!isStoredAs(before[place], endpoint) && isStoredAs(before[place + 1], endpoint)) place++;
      const present = before[place++];
      return isStoredAs(present, endpoint) ? present : this.stored(endpoint);
    });
  }

  #factsOf(endpoint: Endpoint): EndpointFacts {
    const { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints } = endpoint;
    const state = (ready ? 4 : 0) + (serving ? 2 : 0) + (terminating ? 1 : 0);
    const hints = zoneHints.length + nodeHints.length === 0 ? "" : `${zoneHints} ${nodeHints}`;
    const key = `${state} ${nodeName} ${zone} ${hints}`;
    const known = this.#facts.get(key);
    // A zone or a hint may be any text, so two may have the same key.
    const facts = factsOf(endpoint);
    if (known) return sameData(facts, known) ? known : facts;
    if (this.#facts.size >= MOST_FACTS) this.#facts.clear();
    this.#facts.set(key, facts);
    return facts;
  }
}

function isStoredAs(present: Endpoint | undefined, endpoint: Endpoint): present is StoredEndpoint {
  return (
    present instanceof StoredEndpoint &&
    present.address === endpoint.address &&
    present.podName === endpoint.podName &&
    sameData(factsOf(endpoint), present.facts)
  );
}

/** Of a field that is missing here, the compiler complains: what is shared is compared by all. */
function factsOf(endpoint: Endpoint): EndpointFacts {
  const { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints } = endpoint;
  return { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints };
}
