// Kubernetes' own tests of Services (kubernetes/test/e2e/network, as of 1.37), each with the test
// here that asserts the same, why there is nothing to assert, or what is missing.
// test/e2e-checklist.test.ts holds that what is named here exists and runs.

import type { E2eFile } from "./entry.ts";
import { CONNTRACK, KUBE_PROXY, NETWORKING } from "./networking.ts";
import { SERVICES } from "./services.ts";
import { TOPOLOGY } from "./topology.ts";

export const E2E: readonly E2eFile[] = [SERVICES, NETWORKING, CONNTRACK, KUBE_PROXY, ...TOPOLOGY];
