// Clients whose address backends must not see, since their answers might not come back through this
// node: node ports, load balancers, cluster IPs from outside. node/hand-over.ts decides which
// clients are masqueraded; this file says how. Pure text, for chains.ts.
//
// As with kube-proxy, the kernel masquerades last, when a packet leaves the node. Until then
// Envoy's connection has the client's address, so the rules of others (NetworkPolicy) see the
// client:
//
//    client 203.0.113.9 ─→ 192.0.2.1:30080       the node port, captured
//    Envoy  203.0.113.9 ─→ 10.1.1.11:8080        marked for masquerading; what others filter by
//           10.1.1.1    ─→ 10.1.1.11:8080        what the Pod sees
//
// Answers come back by their conntrack mark, as for all of Envoy's connections in a client's name.
// What stays on the node (lo) is not masqueraded: kube-proxy's rules do not reach it either.
//
// The marks (masqueradeMarkBit is in both):
//
//    packet        with envoyMarkBit, SO_MARK of one of Envoy's clusters (xds/resources.ts)
//    connection    with markBit
//
// Envoy's UDP sockets that send from a client's address cannot be marked
// (findings/envoy-udp-original-source-loses-socket-options.sh). So the kernel notes the datagrams
// that it hands to listeners that masquerade, by their client and their first bytes. When Envoy
// starts a flow in that client's name with the same datagram, the flow is masqueraded. A client
// that sends the same at the same time through a policy that keeps its address may lose its address
// there.

import type { ListenerKind } from "../node/hand-over.ts";
import { type Family, familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { hasBits, hex } from "./rule-text.ts";

/** Longer than any datagram waits in Envoy's socket. */
const NOTED_SECONDS = 2;

/** Datagrams within that time. More are not masqueraded, so their answers may be lost. */
const MOST_NOTED = 131_072;

/** The first 16 bytes of a datagram's payload, which follows the UDP header of 8 bytes. */
const PAYLOAD = "@th,64,128";
const LONG_ENOUGH = 24;

interface NotedSet {
  name: string;
  key: (family: Family) => string;
  /** Which datagrams it notes. */
  condition: string;
}

/** The elements are the kernel's own. */
export const NOTED_SETS: readonly NotedSet[] = [
  {
    name: "udp_masqueraded",
    key: ({ header }) => `${header} saddr . ${PAYLOAD}`,
    condition: `udp length >= ${LONG_ENOUGH}`,
  },
  {
    name: "udp_masqueraded_short",
    key: ({ header }) => `${header} saddr . udp length`,
    condition: `udp length < ${LONG_ENOUGH}`,
  },
];

/** Returns the attributes of such a set, in nft's own order. */
export function notedAttributes({ key }: NotedSet, family: Family): string[] {
  return [
    `typeof ${key(family)}`,
    `size ${MOST_NOTED}`,
    "flags dynamic,timeout",
    `timeout ${NOTED_SECONDS}s`,
  ];
}

/**
 * For the chain that hands datagrams to listeners of this kind. The other kinds remove the note, so
 * that the last way of a datagram counts.
 */
export function datagramsNoted(kind: ListenerKind, options: CaptureOptions): string[] {
  const change = kind === "masquerade" ? "update" : "delete";
  return familiesOf(options.families).flatMap((family) =>
    NOTED_SETS.map(
      ({ name, key, condition }) =>
        `${condition} ${change} @${name}_${family.suffix} { ${key(family)} }`,
    ),
  );
}

/** Returns conditions; any of them holds when a datagram was noted. */
export function isNoted(families: readonly Family[]): string[] {
  return families.flatMap((family) =>
    NOTED_SETS.map(({ name, key }) => `${key(family)} @${name}_${family.suffix}`),
  );
}

/** Condition: a packet of Envoy's to a TCP backend that needs masquerading. */
function isToMasquerade({ envoyMarkBit, masqueradeMarkBit }: CaptureOptions): string {
  return hasBits("meta", envoyMarkBit | masqueradeMarkBit);
}

/**
 * For the output hook, after connection tracking. Only TCP goes by the mark: a tunnel of the kernel
 * passes a packet's mark on to what wraps it.
 */
export function masqueradedReplies(options: CaptureOptions): string[] {
  const { markBit, masqueradeMarkBit } = options;
  const isNew = "ct direction original ct state new";
  const noted = `ct mark set ct mark or ${hex(markBit | masqueradeMarkBit)}`;
  return [
    `${isNew} meta l4proto tcp ${isToMasquerade(options)} ${noted}`,
    ...isNoted(familiesOf(options.families)).map(
      (condition) =>
        `${isNew} meta l4proto udp socket transparent 1 socket wildcard 1 ${condition} ${noted}`,
    ),
  ];
}

/** For the postrouting hook. */
export function masqueraded({ markBit, masqueradeMarkBit }: CaptureOptions): string {
  return `${hasBits("ct", markBit | masqueradeMarkBit)} oif != "lo" masquerade`;
}
