// Connections and flows that are not Portico's, although a Service may have the address and port of
// their server by now: an external IP or a load balancer's address of a machine outside, a node
// port on which a host process listens. Pure text, for chains.ts.
//
// As with NAT, a connection's first packet decides. Connection tracking knows which connections
// started elsewhere: they are established, and have none of Portico's marks. Those are, on the
// connection:
//
//    markBit        Envoy's to a backend in a client's name, and the host's that turned round
//    envoyMarkBit   captured: handed to one of Envoy's listeners
//
// A captured connection that has lost its socket remains Portico's: its client must get a reset,
// and not wait for an answer from wherever the address leads.

import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { hex } from "./rule-text.ts";

/**
 * Notes on the connection, and not on the packet, that it was captured: at its start, and later
 * where connection tracking has forgotten it, or an older Portico captured it. For the end of the
 * input hook, after programs that overwrite the whole mark of new connections.
 */
export function captured({ envoyMarkBit }: CaptureOptions): string {
  return `ct mark set ct mark or ${hex(envoyMarkBit)}`;
}

/**
 * Envoy's own connections are not captured. Another program may copy the connection's mark to its
 * packets (CONNMARK --restore-mark, as wg-quick does with UDP): those of a captured connection then
 * look as if they came from Envoy.
 */
export function isNotCaptured({ envoyMarkBit }: CaptureOptions): string {
  return `ct mark and ${hex(envoyMarkBit)} == 0`;
}

/** Condition: the connection started elsewhere and was answered there. */
export function isOfOthers(options: CaptureOptions): string {
  return `ct state established ${marksOf(options)} == 0`;
}

/** Condition: it was captured, or started by turning round: another program left one mark. */
export function isOfPortico(options: CaptureOptions): string {
  return `${marksOf(options)} != 0`;
}

function marksOf({ markBit, envoyMarkBit }: CaptureOptions): string {
  return `ct mark and ${hex(markBit | envoyMarkBit)}`;
}

/**
 * For the capture chain: packets that open no connection and belong to no socket of Envoy's. What
 * connection tracking does not know, because it forgot it or started later, belongs to a host
 * process that has the socket; what it considers out of order, NAT would not touch either. The rest
 * of TCP goes to Envoy's listener, which resets it: a router may have sent it here from another
 * node.
 */
export function toOthers(options: CaptureOptions): string[] {
  const strays = familiesOf(options.families).map(({ header, suffix }) => {
    const frontend = `${header} daddr . meta l4proto . th dport @external_${suffix}`;
    return `meta l4proto tcp ct state invalid ${frontend} accept`;
  });
  return [
    `${isOfOthers(options)} goto others`,
    "meta l4proto tcp ct state { new, invalid } socket transparent 0 accept",
    ...strays,
  ];
}

/**
 * A flow has no end: one to a host process that is gone would never reach the Service, because its
 * client's datagrams keep it in connection tracking.
 */
export const OTHERS: readonly string[] = [
  "meta l4proto != udp accept",
  "fib daddr type != local accept",
  "socket transparent 0 accept",
  "goto from_frontend",
];
