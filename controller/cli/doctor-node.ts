// The node that the doctor runs on, if Portico runs there → findings: what its controller says, how
// it explains the Service's frontends, and whether the endpoints listen. No findings without
// Portico.

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { runPaths } from "../config/run-options.ts";
import { type ControllerStatus, EXPLAIN_PATH, STATUS_PATH } from "../control/control-api.ts";
import { listeningFindings, type Place, placesToTry, type Tried } from "../doctor/listening.ts";
import {
  controllerFindings,
  enforcerFinding,
  explanationFindings,
  frontendsToExplain,
  routingRuleFinding,
  tableFindings,
} from "../doctor/this-node.ts";
import type { DoctorCluster, Finding } from "../doctor/types.ts";
import type { Explanation } from "../explain/explanation.ts";
import { presentEnforcers } from "../guard/policy-enforcers.ts";
import { presentRoutingRuleProblems } from "../guard/routing-rules.ts";
import type { ObjectKey } from "../model/types.ts";
import { TableClient } from "../table/client.ts";
import { ControlClientError, callController } from "./control-client.ts";

const CONNECT_MS = 2_000;

interface NodeQuestion {
  runDir: string;
  cluster: DoctorCluster;
  /** As in ControllerStatus.source, where the doctor read a folder; otherwise absent. */
  source: string | undefined;
  /** Undefined: all Services; then it asks only about the controller itself. */
  service: ObjectKey | undefined;
  /** Whether the Service has no error so far. */
  isHealthy: boolean;
  /** Whether to connect to the endpoints. */
  connects: boolean;
}

/**
 * Returns what this node says. Empty where no controller has a socket in the run directory; a
 * controller that does not answer is a finding, not an error.
 */
export async function lookAtNode(question: NodeQuestion): Promise<Finding[]> {
  const { runDir, cluster, source, service, isHealthy, connects } = question;
  const { controlSocket } = runPaths(runDir);
  if (!existsSync(controlSocket)) return [];
  const status = await statusOf(controlSocket);
  if (typeof status === "string") {
    return [
      controllerDown(status, runDir),
      ...(await lookAtRules()),
      ...(await lookForEnforcers()),
    ];
  }
  if (!isOfCluster(status, source)) return [ofAnotherCluster(status)];
  const enforcers = await lookForEnforcers();
  const own = controllerFindings(status).filter((each) => {
    return service === undefined || each.service === "" || each.service === service;
  });
  if (service === undefined) return [...own, ...enforcers, ...(await lookAtTable(status, runDir))];
  const explanations = await explained(controlSocket, frontendsToExplain(cluster, service));
  const places = connects ? placesToTry(cluster, service) : [];
  const tried = await Promise.all(places.map(tryPlace));
  return [
    ...own,
    ...enforcers,
    ...(typeof explanations === "string"
      ? [unexplained(service, explanations)]
      : explanationFindings(service, explanations, isHealthy)),
    ...listeningFindings(service, tried),
  ];
}

async function lookForEnforcers(): Promise<Finding[]> {
  return (await presentEnforcers()).map(enforcerFinding);
}

/** Does what the controller does while it runs; what it programmed stays in force without it. */
async function lookAtRules(): Promise<Finding[]> {
  return (await presentRoutingRuleProblems()).map(routingRuleFinding);
}

/** Where the table cannot be asked, the controller has already said more about it. */
async function lookAtTable(status: ControllerStatus, runDir: string): Promise<Finding[]> {
  const client = new TableClient(runPaths(runDir).tableSocket);
  const table = await client.version().catch(() => undefined);
  client.close();
  return table ? tableFindings(status, table) : [];
}

/** Returns the status, or in words why there is none. */
function statusOf(controlSocket: string): Promise<ControllerStatus | string> {
  return callController<ControllerStatus>(controlSocket, "GET", STATUS_PATH).catch(
    (error: Error) => error.message,
  );
}

/**
 * Returns the explanations, or in words why there are none: it may still be reading the cluster.
 */
async function explained(
  controlSocket: string,
  frontends: readonly string[],
): Promise<Explanation[] | string> {
  const explanations: Explanation[] = [];
  try {
    for (const to of frontends) {
      const path = `${EXPLAIN_PATH}?${new URLSearchParams({ to })}`;
      explanations.push(await callController<Explanation>(controlSocket, "GET", path));
    }
  } catch (error) {
    if (error instanceof ControlClientError) return error.message;
    throw error;
  }
  return explanations;
}

/** A folder must be the very same as this node's; two API servers cannot be compared. */
function isOfCluster(status: ControllerStatus, source: string | undefined): boolean {
  const isFolder = status.source.startsWith("manifests in ");
  return source === undefined ? !isFolder : status.source === source;
}

function ofAnotherCluster({ source, fedBy }: ControllerStatus): Finding {
  const text = `this node: its Portico serves another cluster, ${source}; skipped`;
  const command =
    fedBy?.kind === "manifests"
      ? `portico doctor --manifests ${fedBy.directory}`
      : "portico services";
  return { level: "note", code: "another-cluster", service: "", text, command };
}

function unexplained(service: ObjectKey, message: string): Finding {
  const text = `this node: its controller cannot explain: ${message}`;
  const command = `portico explain ${service}`;
  return { level: "note", code: "not-explained", service, text, command };
}

function controllerDown(message: string, runDir: string): Finding {
  return {
    level: "error",
    code: "controller-down",
    service: "",
    text: `this node: ${message}`,
    command: `ls -l ${runDir}`,
  };
}

function tryPlace({ address, port }: Place): Promise<Tried> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (outcome: Tried["outcome"]) => {
      socket.destroy();
      resolve({ address, port, outcome });
    };
    socket.setTimeout(CONNECT_MS, () => end("silent"));
    socket.on("connect", () => end("connected"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      end(error.code === "ECONNREFUSED" ? "refused" : "silent");
    });
  });
}
