// What kube-proxy did with the probes of a state → text for people, and for golden/: it is what
// Portico is built to.

import { describe } from "./compare.ts";
import type { Finding } from "./comparison.ts";

export function truthOf(name: string, findings: readonly Finding[]): string {
  const lines = findings.map(({ step, probe, kubeProxy }) => {
    return `  ${step}. ${describe(probe)}: ${kubeProxy.join(", ")}`;
  });
  return `${name}\n${lines.join("\n")}\n`;
}
