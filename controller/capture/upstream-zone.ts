// Keeps Envoy's connections in a client's name apart from those that the client makes itself. Pure
// text, for chains.ts.
//
// A Pod's kernel and the node's choose ports without knowing of each other, so both may choose the
// same one towards the same endpoint:
//
//    Pod      10.1.1.10:50000 → 10.1.2.10:8080
//    Envoy    10.1.1.10:50000 → 10.1.2.10:8080    leaves as 10.1.1.10:14702
//
// In a conntrack zone of its own, Envoy's connection differs from the Pod's. Its replies are in the
// same zone as all others, and no two connections may have the same replies: so the second of the
// two gets another port. The kernel does that for all connections that meet a NAT hook (chains.ts
// has one, hairpin), and for kube-proxy's too. Where no port is taken, nothing is translated.
// early-demux.ts is the other half for TCP.

/** Other programs may use the same: it only has to differ from the default, 0. */
export const UPSTREAM_ZONE_NUMBER = 4100;

/** The zone's chains come after those of others that exclude packets from tracking. */
export const AFTER_NOTRACK = "priority raw + 10";

/** The statement of a rule before connection tracking. */
export const IN_UPSTREAM_ZONE = `ct original zone set ${UPSTREAM_ZONE_NUMBER}`;

/** From addresses that are not the node's. */
const IN_OTHERS_NAMES = "meta l4proto { tcp, udp } fib saddr type != local";

/**
 * This does not match by socket: resets, and packets sent in TIME_WAIT, have none. For replies to
 * clients, which it matches as well, the zone makes no difference. Only for tracked packets: a zone
 * would make the kernel track the others.
 */
export const UPSTREAM_ZONE = `${IN_OTHERS_NAMES} ${IN_UPSTREAM_ZONE}`;
