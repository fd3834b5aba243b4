// Two observations of one probe → whether they are the same, differ as intended, or differ. Pure.

import { type Compared, type IntendedDifference, isSame } from "./intended-differences.ts";
import { dialsOf, type Probe } from "./state.ts";

type Verdict =
  | { kind: "same" }
  | { kind: "intended"; id: string }
  /** `text` tells people, in a line. */
  | { kind: "different"; text: string };

export function verdictOn(compared: Compared, intended: readonly IntendedDifference[]): Verdict {
  const { kubeProxy, portico, probe } = compared;
  if (isSame(kubeProxy, portico)) return { kind: "same" };
  const explanation = intended.find(({ explains }) => explains(compared));
  if (explanation !== undefined) return { kind: "intended", id: explanation.id };
  const told = `kube-proxy: ${kubeProxy.join(", ")}; Portico: ${portico.join(", ")}`;
  return { kind: "different", text: `${describe(probe)}: ${told}` };
}

/** "client-1 → 10.96.0.10:80"; with more words where it is no plain TCP connection. */
export function describe(probe: Probe): string {
  const dials = dialsOf(probe);
  const [first] = dials;
  if (first === undefined) return "nothing";
  const doors = [...new Set(dials.map(({ to }) => to))].join(", ");
  const kind = probe.kind === "spread" ? "" : ` (${probe.kind})`;
  const protocol = first.protocol === "TCP" ? "" : "/UDP";
  return `${first.from} → ${doors}${protocol}${kind}`;
}
