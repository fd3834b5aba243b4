// The flags for what applies to Services whose annotations say nothing else → FrontendSettings.

import { type Command, Option } from "commander";
import { nearestToScheduler } from "../config/ipvs-scheduler.ts";
import type { Balancing } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { FrontendSettings } from "../node/types.ts";

export interface ServiceDefaultFlags {
  /** Absent: as the KubeProxyConfiguration says, or as in DEFAULT_SETTINGS. */
  balancing?: NodeBalancing;
  ejection: "on" | "off";
}

type NodeBalancing = Exclude<Balancing, "weighted">;

/** Those that need nothing of a Service. */
const NODE_BALANCINGS: readonly NodeBalancing[] = [
  "random",
  "least-connections",
  "round-robin",
  "client-hash",
  "failover",
];

/** Adds the flags of ServiceDefaultFlags. */
export function addServiceDefaults(command: Command): void {
  command.addOption(
    new Option(
      "--balancing <name>",
      "how a backend is picked for Services without an annotation portico.dev/balancing: one of " +
        `${NODE_BALANCINGS.join(", ")} (default: ${DEFAULT_SETTINGS.balancing}; with mode ipvs ` +
        "in the --config, what comes nearest to its ipvs.scheduler)",
    ).choices(NODE_BALANCINGS),
  );
  command.addOption(
    new Option(
      "--ejection <on|off>",
      "whether new connections leave a backend alone for a while that fails; a Service's " +
        "annotation portico.dev/ejection overrides it",
    )
      .choices(["on", "off"])
      .default(DEFAULT_SETTINGS.ejection ? "on" : "off"),
  );
}

/**
 * Returns what the flags mean; the rest as in DEFAULT_SETTINGS. `ipvsScheduler` is as in
 * ProxyConfiguration.
 */
export function serviceDefaultsFromFlags(
  { balancing, ejection }: ServiceDefaultFlags,
  ipvsScheduler: string | undefined,
): FrontendSettings {
  const near = ipvsScheduler === undefined ? undefined : nearestToScheduler(ipvsScheduler);
  return {
    ...DEFAULT_SETTINGS,
    balancing: balancing ?? near?.balancing ?? DEFAULT_SETTINGS.balancing,
    ejection: ejection === "on",
  };
}

/** Returns a line on what becomes of the scheduler; undefined where it does not count. */
export function schedulerLine(
  { balancing }: ServiceDefaultFlags,
  ipvsScheduler: string | undefined,
): string | undefined {
  if (balancing !== undefined || ipvsScheduler === undefined) return undefined;
  return nearestToScheduler(ipvsScheduler).text;
}
