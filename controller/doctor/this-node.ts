// The status of this node's controller, and its explanations of a Service's frontends → findings:
// is this node programmed as it should be? Pure.

import type { Explanation } from "../explain/explanation.ts";
import { addressAndPort, familyOf } from "../model/ip.ts";
import {
  BACKEND_EJECTED,
  type ObjectKey,
  type Problem,
  ROUTING_RULE_FIRST,
  SERVICE_LIMITED,
} from "../model/types.ts";
import { CARRIED_PROTOCOLS } from "../node/carried.ts";
import type { FindingCode } from "./codes.ts";
import type { DoctorCluster, Finding, Level } from "./types.ts";

/** The used part of a ControllerStatus, whose room this one may not import. */
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

/** The doctor finds these by itself, with more detail. */
const KNOWN_REASONS = new Set(["ProtocolNotCarried", "AddressConflict", "AddressRefused"]);
const LOG = "kubectl logs -n kube-system -l app.kubernetes.io/name=portico -c controller";

/** Returns findings about the controller as a whole; problems of Services are under their names. */
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

/** Compares Envoy's table with the controller's; a table of another version is still on its way. */
export function tableFindings(
  status: NodeStatus,
  table: { version: number; frontends: number },
): Finding[] {
  if (table.version !== status.tableVersion || table.frontends === status.frontends) return [];
  const counts = `${table.frontends} entries, the controller's has ${status.frontends}`;
  const text = `this node: Envoy's table of version ${table.version} has ${counts}`;
  const command = "portico services";
  return [{ level: "error", code: "data-plane-differs", service: "", text, command }];
}

function problemFinding({ object, message, reason = "" }: Problem): Finding[] {
  if (KNOWN_REASONS.has(reason)) return [];
  if (reason === ROUTING_RULE_FIRST) return [routingRuleFinding(message)];
  const [kind = "", key = ""] = object.split(" ", 2);
  const service = kind === "Service" ? key : "";
  if (reason === BACKEND_EJECTED) return [servedFinding("backend-ejected", service, message)];
  if (reason === SERVICE_LIMITED) return [servedFinding("service-limited", service, message)];
  const text = service === "" ? `this node: ${object}: ${message}` : `this node: ${message}`;
  return [{ level: "error", code: "proxy-problem", service, text, command: LOG }];
}

/** Others are served, so the Service answers. */
function servedFinding(code: FindingCode, service: ObjectKey, message: string): Finding {
  const command = `portico services ${service}`;
  const text = `this node: ${message}`;
  return { level: "warning", code, service, text, command };
}

/** `message` names the rule, its priority, and what to set (check/marks-and-routes.ts). */
export function routingRuleFinding(message: string): Finding {
  const [text, command] = [`this node: ${message}`, "ip rule; ip -6 rule"];
  return { level: "error", code: "routing-rule-first", service: "", text, command };
}

const LEVELS = { blocker: "error", warning: "warning", note: "note", ok: "ok" } as const;

/** Returns the finding as `portico check` words it (check/enforcers.ts). */
export function enforcerFinding({
  level,
  what,
  todo,
  show,
}: {
  level: keyof typeof LEVELS;
  what: string;
  todo: string;
  show: string;
}): Finding {
  const text = `this node: ${what}${todo === "" ? "" : `; ${todo}`}`;
  return { level: LEVELS[level], code: "policy-enforcer", service: "", text, command: show };
}

/** Returns questions for `portico explain`: "10.96.0.10:80/TCP"; bounded, as each takes time. */
export function frontendsToExplain(cluster: DoctorCluster, key: ObjectKey): string[] {
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
  const frontends = addresses.flatMap((address) => {
    return carried.map(({ port, protocol }) => `${addressAndPort(address, port)}/${protocol}`);
  });
  return [...new Set(frontends)].slice(0, MOST_FRONTENDS);
}

const MOST_FRONTENDS = 16;

/** `isHealthy`: nothing else keeps the Service from answering, so it should answer here. */
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
