// An endpoint as the store keeps it. Of 100,000 endpoints, many run on the same node in the same
// state, so each has its address and Pod, and shares the rest: half the memory of plain objects.

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
      const { address, podName } = endpoint;
      if (before[place]?.address !== address && before[place + 1]?.address === address) place++;
      const present = before[place++];
      const facts = this.#factsOf(endpoint);
      if (!(present instanceof StoredEndpoint) || present.facts !== facts) {
        return new StoredEndpoint(address, podName, facts);
      }
      const isSame = present.address === address && present.podName === podName;
      return isSame ? present : new StoredEndpoint(address, podName, facts);
    });
  }

  #factsOf(endpoint: Endpoint): EndpointFacts {
    const key = keyOf(endpoint);
    const known = this.#facts.get(key);
    if (known) return known;
    if (this.#facts.size >= MOST_FACTS) this.#facts.clear();
    const facts = factsOf(endpoint);
    this.#facts.set(key, facts);
    return facts;
  }
}

/** Equal only where all facts are: any text may be in them, so each comes with its length. */
function keyOf(facts: EndpointFacts): string {
  const { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints } = facts;
  const state = (ready ? 4 : 0) + (serving ? 2 : 0) + (terminating ? 1 : 0);
  const place = `${state} ${nodeName.length} ${nodeName} ${zone.length} ${zone}`;
  if (zoneHints.length + nodeHints.length === 0) return place;
  return `${place} ${JSON.stringify([zoneHints, nodeHints])}`;
}

function factsOf(endpoint: Endpoint): EndpointFacts {
  const { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints } = endpoint;
  return { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints };
}
