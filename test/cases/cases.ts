// THE list of connection cases. A bug becomes a case first.

import { AFFINITY_CASES } from "./affinity.ts";
import type { ConnectionCase } from "./case.ts";
import { CLUSTER_IP_CASES } from "./cluster-ip.ts";
import { EXTERNAL_CASES } from "./external.ts";
import { FAMILY_CASES } from "./families.ts";
import { HAIRPIN_CASES } from "./hairpin.ts";
import { inIPv6 } from "./in-ipv6.ts";
import { LABEL_CASES } from "./labels.ts";
import { NODE_PORT_CASES } from "./node-port.ts";
import { POLICY_CASES } from "./policies.ts";
import { SELECTION_CASES } from "./selection.ts";
import { SOURCE_RANGE_CASES } from "./source-ranges.ts";
import { UDP_CASES } from "./udp.ts";

const CASES: readonly ConnectionCase[] = [
  ...CLUSTER_IP_CASES,
  ...HAIRPIN_CASES,
  ...NODE_PORT_CASES,
  ...SELECTION_CASES,
  ...LABEL_CASES,
  ...EXTERNAL_CASES,
  ...POLICY_CASES,
  ...SOURCE_RANGE_CASES,
  ...AFFINITY_CASES,
  ...UDP_CASES,
  ...FAMILY_CASES,
];

export const ALL_CASES: readonly ConnectionCase[] = [
  ...CASES,
  ...CASES.filter(({ oneFamily }) => !oneFamily).map(inIPv6),
];
