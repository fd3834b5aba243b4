// Who goes on dialling during a campaign, and whom.

import type { ClientName } from "../parity/lab.ts";
import { clusterIPs, expectedOf, type Model, NODE_PORT } from "./model.ts";
import type { Stand } from "./stand.ts";
import type { Stream } from "./traffic.ts";

/** Who was a backend of a Service since it was last asked for. */
export class Listed {
  readonly #model: Model;
  #earlier = new Map<string, Set<string>>();
  #now = new Map<string, Set<string>>();

  constructor(model: Model) {
    this.#model = model;
    this.note();
  }

  /** Takes in what the model says now. */
  note(): void {
    for (const each of this.#model.values()) {
      const seen = this.#now.get(each.name) ?? new Set();
      for (const name of expectedOf(each)) seen.add(name);
      this.#now.set(each.name, seen);
    }
  }

  /** The node obeys: what was before the round before this one is over. */
  settled(): void {
    this.#earlier = this.#now;
    this.#now = new Map();
    this.note();
  }

  of(name: string): string[] {
    const sets = [this.#earlier.get(name), this.#now.get(name)];
    return [...new Set(sets.flatMap((set) => [...(set ?? [])]))];
  }
}

const NAMES: Readonly<Record<"client-1" | "node-1", string>> = {
  "client-1": "a Pod",
  "node-1": "a host process",
};

export function streamsOf(stand: Stand, listed: Listed): Stream[] {
  const clients = Object.keys(NAMES) as (keyof typeof NAMES)[];
  const ofClients = clients.flatMap((client) => streamsOfClient(stand, listed, client));
  const outside = { agent: stand.agentOf("outside"), port: NODE_PORT };
  const expected = () => listed.of("steady");
  return [
    ...ofClients,
    { ...outside, name: "outside, node port", kind: "short", address: "192.0.2.1", expected },
    { ...outside, name: "outside, node port, IPv6", kind: "held", address: "fd00:2::1", expected },
    { ...outside, name: "outside, node port, UDP", kind: "query", address: "192.0.2.1", expected },
  ];
}

function streamsOfClient(stand: Stand, listed: Listed, client: ClientName): Stream[] {
  const agent = stand.agentOf(client);
  const name = NAMES[client as keyof typeof NAMES];
  const addresses = (service: string) => {
    const found = stand.model.get(service);
    if (found === undefined) throw new Error(`the model has no Service ${service}`);
    return clusterIPs(found);
  };
  const to = (service: string, family: 0 | 1, kind: Stream["kind"]): Stream => ({
    name: `${name}, ${kind} ${family === 0 ? "IPv4" : "IPv6"} to ${service}`,
    agent,
    kind,
    address: addresses(service)[family],
    port: 80,
    expected: () => listed.of(service),
  });
  return [
    to("steady", 0, "held"),
    to("steady", 1, "held"),
    to("rolling", 0, "short"),
    to("rolling", 1, "short"),
    to("policy", 0, "short"),
    to("steady", 0, "query"),
    to("rolling", 1, "query"),
    { ...to("sticky", 0, "short"), isSticky: true },
    { ...to("sticky", 1, "query"), isSticky: true },
  ];
}
