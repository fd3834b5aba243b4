// Frontends as they change → the listeners and clusters that Envoy should have for UDP, and what
// the kernel is told of them. Keeps the very objects of what did not change, so that nobody has to
// look into them.

import { sameData } from "../model/same-data.ts";
import type { CaptureSet, Frontend, FrontendKey } from "../node/types.ts";
import { UdpAddressBook } from "../xds/udp-address-book.ts";
import {
  EMPTY_UDP_TARGET,
  roleOfListener,
  type UdpListener,
  type UdpOptions,
  type UdpTarget,
  udpAddressesOf,
  udpTargetFrom,
} from "../xds/udp-target.ts";

export class TargetUdp {
  readonly #frontends = new Map<FrontendKey, Frontend>();
  readonly #addresses: UdpAddressBook;
  #options: UdpOptions | undefined;
  #target = EMPTY_UDP_TARGET;
  #captured: CaptureSet["udpAddresses"] = new Map();

  /**
   * `present`: the UDP listeners that Envoy has from an earlier controller. `others`: those of
   * another Envoy, whose addresses no listener of this one may have.
   */
  constructor(
    present: Iterable<Pick<UdpListener, "name" | "address">>,
    others: CaptureSet["udpAddresses"] = new Map(),
  ) {
    const roles = [...present].flatMap(({ name, address }): [string, string][] => {
      const role = roleOfListener(name, address);
      return role === undefined ? [] : [[role, address]];
    });
    const taken = [...others.values()].flatMap((addresses) => Object.values(addresses));
    this.#addresses = new UdpAddressBook(roles, taken);
  }

  get target(): UdpTarget {
    return this.#target;
  }

  /** Where the listeners of each frontend are bound. */
  get addresses(): CaptureSet["udpAddresses"] {
    return this.#captured;
  }

  /** Takes in a change of the node view. */
  apply(upserted: readonly Frontend[], removed: readonly FrontendKey[], options: UdpOptions): void {
    let isSame = sameData(options, this.#options);
    this.#options = options;
    for (const key of removed) if (this.#frontends.delete(key)) isSame = false;
    for (const frontend of upserted) {
      if (frontend.protocol !== "UDP") continue;
      this.#frontends.set(frontend.key, frontend);
      isSame = false;
    }
    if (isSame) return;
    const next = udpTargetFrom(this.#frontends.values(), this.#addresses, options);
    this.#target = {
      listeners: keepingSame(this.#target.listeners, next.listeners),
      clusters: keepingSame(this.#target.clusters, next.clusters),
    };
    const captured = udpAddressesOf(this.#target);
    if (!sameData([...captured], [...this.#captured])) this.#captured = captured;
  }

  /** The set with the addresses of the listeners. */
  captureWith(set: CaptureSet): CaptureSet {
    return { ...set, udpAddresses: this.#captured };
  }
}

/** The same set without handing over to listeners that Envoy does not have: that is refused. */
export function captureWithout(set: CaptureSet, missing: readonly UdpListener[]): CaptureSet {
  if (missing.length === 0) return set;
  const verdicts = new Map(set.verdicts);
  const udpAddresses = new Map(set.udpAddresses);
  for (const { frontend } of missing) {
    if (verdicts.has(frontend)) verdicts.set(frontend, "refuse");
    udpAddresses.delete(frontend);
  }
  return { ...set, verdicts, udpAddresses };
}

function keepingSame<T>(
  present: ReadonlyMap<string, T>,
  next: ReadonlyMap<string, T>,
): ReadonlyMap<string, T> {
  const kept = [...next].map(([name, value]) => {
    const before = present.get(name);
    return [name, before !== undefined && sameData(before, value) ? before : value] as const;
  });
  return new Map(kept);
}
