// How datagrams get to Envoy's UDP listeners and back. Pure text, for chains.ts and elements.ts.
//
// Every UDP frontend has listeners of its own, bound to addresses that nobody else has, all at one
// port (udpPort). The kernel writes such an address into a captured datagram in the place of the
// frontend's, and the frontend's into the replies:
//
//    client → 10.96.0.10:53       prerouting: → 240.7.1.9:15404    delivered to Envoy
//    client ← 10.96.0.10:53       output:     ← 240.7.1.9:15404    sent by Envoy
//
// Not bound to the frontend's own address and port: a host process that has the port on all
// addresses (a DNS server on the host, a Pod of the host's network behind this very Service) would
// keep Envoy from binding, or Envoy it. Nor destination NAT: that is decided once for a flow, so a
// client that goes on sending from one port would be stuck with a listener that is gone. Connection
// tracking sees neither address: it looks before the datagram is rewritten, and after the reply is.

import type { CaptureSet, UdpAddresses, UdpListenerKind } from "../node/types.ts";
import { type Family, familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";

const KINDS: readonly UdpListenerKind[] = ["keep", "masquerade", "local"];

/** Names of chains and their rules. */
export type Chains = readonly (readonly [name: string, rules: readonly string[]])[];

/** The rule that ends the hand-over of a datagram to listeners of this kind. */
export function toUdpListener(kind: UdpListenerKind): string {
  return `meta l4proto udp goto udp_${kind}`;
}

export function udpChains(options: CaptureOptions): Chains {
  const families = familiesOf(options.families);
  const rewriting = (kind: UdpListenerKind) =>
    families.map(
      ({ header, suffix }) =>
        `${header} daddr set ${header} daddr . udp dport map @udp_${kind}_${suffix} ` +
        "goto udp_deliver",
    );
  return [
    // Without a listener it is dropped, and not refused: Envoy may be about to restart.
    [
      "udp_deliver",
      [
        `udp dport set ${options.udpPort}`,
        "meta l4proto udp socket transparent 1 socket wildcard 0 goto deliver",
        "drop",
      ],
    ],
    ...KINDS.map((kind) => [`udp_${kind}`, [...rewriting(kind), "drop"]] as const),
    [
      "udp_replies",
      [
        "type filter hook output priority raw; policy accept;",
        ...families.map(
          ({ header, suffix }) =>
            `udp sport ${options.udpPort} udp sport set ${header} saddr map @udp_ports_${suffix} ` +
            `${header} saddr set ${header} saddr map @udp_sources_${suffix}`,
        ),
      ],
    ],
  ];
}

/**
 * For the output hook, after connection tracking. An answer that comes after its flow was forgotten
 * is dropped, as it is worthless with kube-proxy too. It would begin a flow the other way round,
 * and the client's next datagrams would be taken for replies and not be captured.
 */
export function lateReplies(options: CaptureOptions): string[] {
  return familiesOf(options.families).map(
    ({ header, suffix }) =>
      `ct direction original ct state new ${header} saddr . udp sport @udp_frontends_${suffix} ` +
      "socket transparent 1 socket wildcard 0 drop",
  );
}

/**
 * For the input hook. The socket from which Envoy asks a backend in a client's name takes answers
 * from everybody, since it cannot be connected: nobody but that backend shall reach it.
 */
export function strangersAnswers({ localPorts }: CaptureOptions): string {
  return (
    `udp dport ${localPorts.first}-${localPorts.last} ct direction original ct state new ` +
    "socket transparent 1 socket wildcard 1 fib daddr type local drop"
  );
}

export interface UdpElements {
  name: string;
  kind: "set" | "map";
  type: (family: Family) => string;
  /** Key → what a map has for it; undefined in a set. */
  elements: (set: UdpOfCaptureSet, family: Family) => Map<string, string | undefined>;
}

type UdpOfCaptureSet = Pick<CaptureSet, "udpAddresses" | "formerUdpAddresses">;

/**
 *    udp_keep_v4 …      (address . port) of a frontend → where its listener of the kind is bound
 *    udp_sources_v4     where a listener is bound, a former Envoy's too → its frontend's address
 *    udp_ports_v4       the same → its frontend's port
 *    udp_frontends_v4   (address . port) of all of these frontends
 */
export const UDP_ELEMENTS: readonly UdpElements[] = [
  ...KINDS.map(
    (kind): UdpElements => ({
      name: `udp_${kind}`,
      kind: "map",
      type: ({ type }) => `${type} . inet_service : ${type}`,
      elements: ({ udpAddresses }, family) =>
        collect(udpAddresses, family, ({ address, port }, bound) => {
          const to = bound[kind];
          return to === undefined ? [] : [[`${address} . ${port}`, to]];
        }),
    }),
  ),
  {
    name: "udp_sources",
    kind: "map",
    type: ({ type }) => `${type} : ${type}`,
    elements: (set, family) =>
      collect(allIn(set), family, ({ address }, bound) =>
        Object.values(bound).map((from) => [from, address]),
      ),
  },
  {
    name: "udp_ports",
    kind: "map",
    type: ({ type }) => `${type} : inet_service`,
    elements: (set, family) =>
      collect(allIn(set), family, ({ port }, bound) =>
        Object.values(bound).map((from) => [from, port]),
      ),
  },
  {
    name: "udp_frontends",
    kind: "set",
    type: ({ type }) => `${type} . inet_service`,
    elements: ({ udpAddresses }, family) =>
      collect(udpAddresses, family, ({ address, port }) => [[`${address} . ${port}`, undefined]]),
  },
];

const FRONTEND_KEY = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)\/UDP$/;

function allIn(set: UdpOfCaptureSet): Iterable<readonly [string, UdpAddresses]> {
  return [...set.formerUdpAddresses, ...set.udpAddresses];
}

/** Of the frontends of one family: what `each` makes of one, put together. */
function collect(
  addresses: Iterable<readonly [string, UdpAddresses]>,
  { family }: Family,
  each: (
    frontend: { address: string; port: string },
    bound: UdpAddresses,
  ) => readonly (readonly [string, string | undefined])[],
): Map<string, string | undefined> {
  const elements = new Map<string, string | undefined>();
  for (const [key, bound] of addresses) {
    if ((key[0] === "[") !== (family === "IPv6")) continue;
    const { address, port } = FRONTEND_KEY.exec(key)?.groups ?? {};
    if (address === undefined || port === undefined) throw new Error(`no UDP frontend: ${key}`);
    for (const [element, value] of each({ address, port }, bound)) elements.set(element, value);
  }
  return elements;
}
