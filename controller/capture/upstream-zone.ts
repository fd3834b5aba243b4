// Envoy's connections in a client's name, kept apart from those that the client makes itself. Pure
// text, for chains.ts.
//
// A Pod's kernel and the node's choose ports without knowing of each other, so both may choose the
// same one towards the same endpoint:
//
//    Pod      10.1.1.10:50000 → 10.1.2.10:8080
//    Envoy    10.1.1.10:50000 → 10.1.2.10:8080    leaves as 10.1.1.10:14702
//
// In a conntrack zone of its own, Envoy's connection is another one than the Pod's. Its replies are
// in the same zone as everybody's, and no two connections may have the same replies: so the second
// one gets another port, whichever of the two that is. All connections that meet a NAT hook are
// treated so (chains.ts has one, hairpin), and kube-proxy's too. Where no port is taken, nothing is
// translated. early-demux.ts is the other half for TCP.

/** Anybody may use the same: it need only be another than the default, 0. */
export const UPSTREAM_ZONE_NUMBER = 4100;

/** The zone's chains come after those of others that say which packets are not to be tracked. */
export const AFTER_NOTRACK = "priority raw + 10";

/**
 * A sender is not recognised by its socket: resets, and what is said in TIME_WAIT, have none. For
 * replies to clients, which this matches as well, the zone makes no difference. A zone would make
 * the kernel track what another program does not want tracked.
 */
export const UPSTREAM_ZONE: readonly string[] = [
  `type filter hook output ${AFTER_NOTRACK}; policy accept;`,
  "ct state untracked accept",
  `meta l4proto { tcp, udp } fib saddr type != local ct original zone set ${UPSTREAM_ZONE_NUMBER}`,
];
