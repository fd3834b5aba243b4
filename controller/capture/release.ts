// Portico's table as nft lists it → the script after which it captures nothing more, while all of
// Envoy's connections continue: sockets and connection marks identify them, not the sets. Pure.
//
// Connection tracking remembers the captured datagrams, as flows without translation. A client that
// keeps sending from the same port would match its old flow and reach nothing, and so would the
// next one that happens to use that port. So datagrams for a UDP frontend are in a conntrack zone
// of their own until the old flows are forgotten: there they are new, and kube-proxy's.

import { TABLE } from "./elements.ts";
import { AFTER_NOTRACK, UPSTREAM_ZONE_NUMBER } from "./upstream-zone.ts";

/** What stays: how answers find their way, which Pods may be their own backend; see HANDSHAKES. */
const KEPT = /^(udp|own_backends|frontends)_/;
/**
 * The last packet of a handshake that Envoy has started to answer has no socket yet that nftables
 * knows: `socket wildcard` needs a full socket. It finds Envoy by its frontend, as before.
 */
const HANDSHAKES = ["meta l4proto != tcp accept", "ct state new accept"];
const UDP_FRONTENDS = /^udp_frontends_(v4|v6)$/;
const HEADERS: Record<string, string> = { v4: "ip", v6: "ip6" };

/** Returns the script; running it twice is fine. */
export function releaseFrom(listing: string): string {
  const sets = [...listing.matchAll(/^\s*(set|map) (\S+) \{$/gm)].map(
    ([, kind = "", name = ""]) => ({ kind, name }),
  );
  const released = sets.filter(({ name }) => !KEPT.test(name));
  return [
    ...released.map(({ kind, name }) => `flush ${kind} ${TABLE} ${name}`),
    ...HANDSHAKES.map((rule) => `insert rule ${TABLE} from_frontend ${rule}`),
    `add chain ${TABLE} released { type filter hook prerouting ${AFTER_NOTRACK}; policy accept; }`,
    `flush chain ${TABLE} released`,
    `add rule ${TABLE} released ct state untracked accept`,
    ...sets.flatMap(({ name }) => zoneRules(name)),
    "",
  ].join("\n");
}

function zoneRules(set: string): string[] {
  const [, suffix = ""] = UDP_FRONTENDS.exec(set) ?? [];
  const header = HEADERS[suffix];
  if (header === undefined) return [];
  const isForFrontend = `${header} daddr . udp dport @${set}`;
  return [
    `add rule ${TABLE} released ${isForFrontend} ct original zone set ${UPSTREAM_ZONE_NUMBER}`,
  ];
}
