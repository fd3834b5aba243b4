// UDP frontends → what the controller makes of all of them together, as in its first sync.

import type { Frontend } from "../../controller/node/types.ts";
import { TargetUdp } from "../../controller/sync/target-udp.ts";
import type { UdpListener, UdpOptions, UdpTarget } from "../../controller/xds/udp-target.ts";

/** `present`: listeners that Envoy already has. `draw`: random bytes for addresses. */
export function targetUdpOf(
  frontends: Iterable<Frontend>,
  options: UdpOptions,
  {
    present = [],
    draw,
  }: { present?: Iterable<UdpListener>; draw?: (bytes: number) => Uint8Array } = {},
): TargetUdp {
  const target = new TargetUdp(present, new Map(), draw);
  target.apply([...frontends], [], options);
  return target;
}

/** Returns random bytes that count up: a new source of them. */
export function countingBytes(): (bytes: number) => Uint8Array {
  let count = 0;
  return (bytes) => {
    count++;
    return new Uint8Array(bytes).map((_, index) => (index === 3 ? count : 0));
  };
}

/** Returns a target that another replaces as a whole. */
export function fixedTarget({
  listeners,
  clusters,
}: Pick<UdpTarget, "listeners" | "clusters">): UdpTarget {
  return { listeners, clusters, takeChanges: () => undefined };
}

export const EMPTY_UDP_TARGET = fixedTarget({ listeners: new Map(), clusters: new Map() });
