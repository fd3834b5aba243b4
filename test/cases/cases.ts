// THE list of connection cases. A bug becomes a case first.

import type { ConnectionCase } from "./case.ts";
import { CLUSTER_IP_CASES } from "./cluster-ip.ts";
import { HAIRPIN_CASES } from "./hairpin.ts";
import { LABEL_CASES } from "./labels.ts";
import { NODE_PORT_CASES } from "./node-port.ts";
import { SELECTION_CASES } from "./selection.ts";

export const ALL_CASES: readonly ConnectionCase[] = [
  ...CLUSTER_IP_CASES,
  ...HAIRPIN_CASES,
  ...NODE_PORT_CASES,
  ...SELECTION_CASES,
  ...LABEL_CASES,
];
