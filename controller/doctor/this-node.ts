// What the controller of this node says of itself, and how it explains a Service's front doors →
// findings: is what is programmed here what it should be? Pure.

import type { Explanation } from "../explain/explanation.ts";
import { addressAndPort, familyOf } from "../model/ip.ts";
import { type ObjectKey, type Problem, ROUTING_RULE_FIRST } from "../model/types.ts";
import { CARRIED_PROTOCOLS } from "../node/carried.ts";
import type { FindingCode } from "./codes.ts";
import type { DoctorCluster, Finding, Level } from "./types.ts";

/** What is used of a ControllerStatus, which is of a room above this one. */
export interface NodeStatus {
  nodeName: string;
  watches: readonly { kind: string; synced: boolean; error: string }[];
  envoyConnected: boolean;
  tableVersion: number;
  /** Entries that the table should have. */
  frontends: number;
  lastSync: { error: string } | null;
  problems: readonly Problem[];
}

/** The doctor finds these by itself, and says more of them. */
const KNOWN_REASONS = new Set(["ProtocolNotCarried", "AddressConflict", "AddressRefused"]);
const LOG = "kubectl logs -n kube-system -l app.kubernetes.io/name=portico -c controller";

/** Of the controller as a whole; problems of Services are under their names. */
export function controllerFindings(status: NodeStatus): Finding[] {
  const found: Finding[] = [];
  const add = (code: FindingCode, text: string) => {
    found.push({ level: "error", code, service: "", text: `this node: ${text}`, command: LOG });
  };
  for (const { kind, synced, error } of status.watches) {
    if (error !== "") add("watch-failed", `${kind} cannot be watched: ${error}`);
    else if (!synced) add("watch-unsynced", `${kind} has not been read yet, so nothing is served`);
  }
  if (!status.envoyConnected) add("envoy-missing", "no Envoy is connected to the controller");
  else if (status.tableVersion === 0) add("table-empty", "Envoy has no service table yet");
  const { lastSync } = status;
  if (lastSync && lastSync.error !== "")
    add("sync-failed", `the last sync failed: ${lastSync.error}`);
  for (const problem of status.problems) found.push(...problemFinding(problem));
  return found;
}

/** What Envoy says of its table; of another version than the controller's it is on its way. */
export function tableFindings(
  status: NodeStatus,
  table: { version: number; frontends: number },
): Finding[] {
  if (table.version !== status.tableVersion || table.frontends === status.frontends) return [];
  const counts = `${table.frontends} entries, and the controller's has ${status.frontends}`;
  const text = `this node: Envoy's table of version ${table.version} has ${counts}`;
  const command = "portico services";
  return [{ level: "error", code: "data-plane-differs", service: "", text, command }];
}

function problemFinding({ object, message, reason = "" }: Problem): Finding[] {
  if (KNOWN_REASONS.has(reason)) return [];
  if (reason === ROUTING_RULE_FIRST) return [routingRuleFinding(message)];
  const [kind = "", key = ""] = object.split(" ", 2);
  const service = kind === "Service" ? key : "";
  const text = service === "" ? `this node: ${object}: ${message}` : `this node: ${message}`;
  return [{ level: "error", code: "proxy-problem", service, text, command: LOG }];
}

/** `message` says which rule, at which priority, and what to set (check/marks-and-routes.ts). */
export function routingRuleFinding(message: string): Finding {
  const [text, command] = [`this node: ${message}`, "ip rule; ip -6 rule"];
  return { level: "error", code: "routing-rule-first", service: "", text, command };
}

/** The questions for `portico explain`: "10.96.0.10:80/TCP"; bounded, as each takes a while. */
export function doorsToExplain(cluster: DoctorCluster, key: ObjectKey): string[] {
  const of = cluster.services.find(({ service: { namespace, name } }) => {
    return `${namespace}/${name}` === key;
  });
  if (!of || of.service.headless || of.service.type === "ExternalName") return [];
  const { clusterIPs, externalIPs, loadBalancerIngress, ports } = of.service;
  const vips = loadBalancerIngress.flatMap(({ ip, ipMode }) => (ipMode === "VIP" ? [ip] : []));
  const families = new Set(clusterIPs.map(familyOf));
  const addresses = [...clusterIPs, ...vips, ...externalIPs].filter((address) => {
    return families.has(familyOf(address));
  });
  const carried = ports.filter(({ protocol }) => CARRIED_PROTOCOLS.includes(protocol));
  const doors = addresses.flatMap((address) => {
    return carried.map(({ port, protocol }) => `${addressAndPort(address, port)}/${protocol}`);
  });
  return [...new Set(doors)].slice(0, MOST_DOORS);
}

const MOST_DOORS = 16;

/** `isHealthy`: nothing else keeps the Service from answering, so that here it should. */
export function explanationFindings(
  service: ObjectKey,
  explanations: readonly Explanation[],
  isHealthy: boolean,
): Finding[] {
  return explanations.flatMap(({ to, outcome, summary, disagreements }) => {
    const command = `portico explain ${to}`;
    const find = (level: Level, code: FindingCode, text: string): Finding => {
      return { level, code, service, text: `this node: ${text}`, command };
    };
    if (disagreements.length > 0) {
      return disagreements.map((each) => find("error", "data-plane-differs", `${to}: ${each}`));
    }
    if (outcome === "served") return [find("ok", "served-here", summary)];
    return [find(isHealthy ? "warning" : "note", "not-served-here", summary)];
  });
}
