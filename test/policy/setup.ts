// Before the comparison of policies: what it needs beyond the tests on the real thing. To build
// the enforcers takes longer than a test's hooks may.

import { preparePrograms } from "../demo/prerequisites.ts";
import prepareReal from "../real/setup.ts";
import { buildEnforcer, ENFORCER_PROGRAMS } from "./build-enforcers.ts";

export default async function prepare(): Promise<void> {
  await prepareReal();
  await preparePrograms(console.log, { iptables: "iptables", ipset: "ipset" });
  for (const name of ENFORCER_PROGRAMS) await buildEnforcer(name, console.log);
}
