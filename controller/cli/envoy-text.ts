// What the controller reports of its Envoys → the lines of `portico envoy status|replace`. Pure.

import type { EnvoyStatus } from "../envoys/envoy-status.ts";

/** Returns the text, which ends in a line feed. */
export function envoyText({ supervised, active, draining, standby }: EnvoyStatus): string {
  const lines: string[] = [];
  if (active) {
    const { pid, version, uptimeSeconds, connections, udpFlows, directory } = active;
    const process = pid === null ? "not started by Portico" : `pid ${pid}`;
    lines.push(
      `serves:    Envoy ${version}, ${process}, for ${uptimeSeconds} s, in ${directory}`,
      `           ${connections} connections, ${udpFlows} UDP flows`,
      ...active.outdated.map((what) => `outdated:  ${what}`),
    );
    if (active.outdated.length > 0) lines.push("           fix: portico envoy replace");
  } else {
    lines.push(`serves:    no Envoy answers${supervised ? "; it is being started" : ""}`);
  }
  if (draining) {
    const { connections, udpFlows, until, directory } = draining;
    lines.push(`drains:    until ${until}, in ${directory}`);
    if (connections === null || udpFlows === null) {
      lines.push("           its connections and UDP flows were not read yet");
    } else {
      lines.push(`           ${connections} connections, ${udpFlows} UDP flows`);
    }
  }
  if (standby) lines.push(`standby:   Envoy ${standby.version}, in ${standby.directory}`);
  return `${lines.join("\n")}\n`;
}
