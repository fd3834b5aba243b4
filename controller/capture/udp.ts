// How datagrams get to Envoy's UDP listeners and back. Pure text, for chains.ts and elements.ts.
//
// Every UDP frontend has listeners of its own, bound to addresses that belong to nothing else, all
// at one port (udpPort). The kernel replaces the frontend's address in a captured datagram with
// such an address, and puts the frontend's into the replies:
//
//    client → 10.96.0.10:53       prerouting: → 240.7.1.9:15404    delivered to Envoy
//    client ← 10.96.0.10:53       output:     ← 240.7.1.9:15404    sent by Envoy
//
// udp-shown.ts says what rules of others see in the input hook.
//
// Not bound to the frontend's own address and port: a host process that has the port on all
// addresses (a DNS server on the host, a Pod of the host's network behind this very Service) would
// keep Envoy from binding, or Envoy it. Nor destination NAT: it is decided once for a flow, so a
// client that keeps sending from one port would be stuck with a listener that is gone. Connection
// tracking sees neither address: it looks before the datagram is rewritten, and after the reply is
// rewritten.

import { LISTENER_KINDS, type ListenerKind } from "../node/hand-over.ts";
import type { UdpBinding } from "../node/udp-binding.ts";
import { type Family, familiesOf } from "./families.ts";
import type { KernelTarget } from "./kernel-target.ts";
import { datagramsNoted } from "./masquerade.ts";
import type { CaptureOptions } from "./options.ts";
import { noteKind } from "./udp-shown.ts";

/** Names of chains and their rules. */
export type Chains = readonly (readonly [name: string, rules: readonly string[]])[];

/** Returns the rule that ends the hand-over of a datagram to listeners of this kind. */
export function toUdpListener(kind: ListenerKind): string {
  return `meta l4proto udp goto udp_${kind}`;
}

/**
 * Returns the chains that rewrite datagrams to and from Envoy's UDP listeners. A datagram of a
 * frontend that has no listener is dropped, not refused.
 */
export function udpChains(options: CaptureOptions): Chains {
  const families = familiesOf(options.families);
  const rewriting = (kind: ListenerKind) =>
    families.map(
      ({ header, suffix }) =>
        `${header} daddr set ${header} daddr . udp dport map @udp_${kind}_${suffix} ` +
        `${noteKind(kind, options)}goto udp_deliver`,
    );
  return [
    // Without a listener it is dropped, not refused: Envoy may be about to restart.
    [
      "udp_deliver",
      [
        `udp dport set ${options.udpPort}`,
        "meta l4proto udp socket transparent 1 socket wildcard 0 goto deliver",
        "drop",
      ],
    ],
    ...LISTENER_KINDS.map((kind) => {
      const rules = [...datagramsNoted(kind, options), ...rewriting(kind), "drop"];
      return [`udp_${kind}`, rules] as const;
    }),
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
 * is dropped; with kube-proxy it is worthless too. It would start a flow in the other direction,
 * and the client's next datagrams would pass as replies and not be captured.
 */
export function lateReplies(options: CaptureOptions): string[] {
  return familiesOf(options.families).map(
    ({ header, suffix }) =>
      `ct direction original ct state new ${header} saddr . udp sport @udp_frontends_${suffix} ` +
      "socket transparent 1 socket wildcard 0 drop",
  );
}

/**
 * For the input hook. The socket from which Envoy asks a backend in a client's name cannot be
 * connected, so it would take answers from any host. Only that backend may reach it.
 */
export function strangersAnswers({ localPorts }: CaptureOptions): string {
  return (
    `udp dport ${localPorts.first}-${localPorts.last} ct direction original ct state new ` +
    "socket transparent 1 socket wildcard 1 fib daddr type local drop"
  );
}

interface UdpElements {
  name: string;
  kind: "set" | "map";
  type: (family: Family) => string;
  /** Key → its value in a map; undefined in a set. */
  elements: (target: KernelTarget, family: Family) => Map<string, string | undefined>;
}

/**
 *    udp_keep_v4 …      (address . port) of a frontend → where its listener of the kind is bound
 *    udp_sources_v4     where a listener is bound, a former Envoy's too → its frontend's address
 *    udp_ports_v4       the same → its frontend's port
 *    udp_frontends_v4   (address . port) of all of these frontends
 */
export const UDP_ELEMENTS: readonly UdpElements[] = [
  ...LISTENER_KINDS.map(
    (kind): UdpElements => ({
      name: `udp_${kind}`,
      kind: "map",
      type: ({ type }) => `${type} . inet_service : ${type}`,
      elements: ({ udpBindings }, family) =>
        collect(udpBindings.values(), family, ({ address, port, bound }) => {
          const to = bound[kind];
          return to === undefined ? [] : [[`${address} . ${port}`, to]];
        }),
    }),
  ),
  {
    name: "udp_sources",
    kind: "map",
    type: ({ type }) => `${type} : ${type}`,
    elements: (target, family) =>
      collect(allIn(target), family, ({ address, bound }) =>
        Object.values(bound).map((from) => [from, address]),
      ),
  },
  {
    name: "udp_ports",
    kind: "map",
    type: ({ type }) => `${type} : inet_service`,
    elements: (target, family) =>
      collect(allIn(target), family, ({ port, bound }) =>
        Object.values(bound).map((from) => [from, `${port}`]),
      ),
  },
  {
    name: "udp_frontends",
    kind: "set",
    type: ({ type }) => `${type} . inet_service`,
    elements: ({ udpBindings }, family) =>
      collect(udpBindings.values(), family, ({ address, port }) => [
        [`${address} . ${port}`, undefined],
      ]),
  },
];

function allIn({ formerUdpBindings, udpBindings }: KernelTarget): UdpBinding[] {
  return [...formerUdpBindings.values(), ...udpBindings.values()];
}

/** Returns what `each` makes of every frontend of one family, put together. */
function collect(
  bindings: Iterable<UdpBinding>,
  { family }: Family,
  each: (binding: UdpBinding) => readonly (readonly [string, string | undefined])[],
): Map<string, string | undefined> {
  const ofFamily = [...bindings].filter((binding) => binding.family === family);
  return new Map(ofFamily.flatMap(each));
}
