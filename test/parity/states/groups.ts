// All hand-written states, by what they are about.

import type { State } from "../state.ts";
import { AFFINITY } from "./affinity.ts";
import { CHANGES } from "./changes.ts";
import { CLUSTER_IP } from "./cluster-ip.ts";
import { CONTROLLER } from "./controller.ts";
import { CONDITIONS, HAIRPIN, HINTS, SKIPPED } from "./endpoints.ts";
import { EXTERNAL_IPS, LOAD_BALANCERS } from "./external.ts";
import { IPV6 } from "./ipv6.ts";
import { NODE_PORTS } from "./node-ports.ts";
import { EXTERNAL_POLICY, INTERNAL_POLICY } from "./policies.ts";
import { HEALTH, SCTP } from "./rest.ts";
import { DATAGRAM_FLOWS, DATAGRAMS } from "./udp.ts";

/** Names are those of files, too: golden/NAME.txt. */
export const GROUPS: Readonly<Record<string, readonly State[]>> = {
  "cluster-ip": CLUSTER_IP,
  "node-ports": NODE_PORTS,
  conditions: CONDITIONS,
  hints: HINTS,
  skipped: SKIPPED,
  hairpin: HAIRPIN,
  changes: CHANGES,
  controller: CONTROLLER,
  "internal-policy": INTERNAL_POLICY,
  "external-policy": EXTERNAL_POLICY,
  "external-ips": EXTERNAL_IPS,
  "load-balancers": LOAD_BALANCERS,
  affinity: AFFINITY,
  udp: DATAGRAMS,
  "udp-flows": DATAGRAM_FLOWS,
  ipv6: IPV6,
  health: HEALTH,
  sctp: SCTP,
};
