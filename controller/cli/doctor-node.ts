// The node that the doctor runs on, if a Portico runs there → findings: what its controller says,
// how it explains the Service's front doors, and whether the endpoints listen. Where there is none,
// nothing is said.

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { runPaths } from "../config.ts";
import { type ControllerStatus, EXPLAIN_PATH, STATUS_PATH } from "../daemon/control-api.ts";
import { presentRoutingRuleProblems } from "../daemon/routing-rules.ts";
import { listeningFindings, type Place, placesToTry, type Tried } from "../doctor/listening.ts";
import {
  controllerFindings,
  doorsToExplain,
  explanationFindings,
  routingRuleFinding,
  tableFindings,
} from "../doctor/this-node.ts";
import type { DoctorCluster, Finding } from "../doctor/types.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { ObjectKey } from "../model/types.ts";
import { TableClient } from "../table/client.ts";
import { ControlClientError, callController } from "./control-client.ts";

const CONNECT_MS = 2_000;

export interface NodeQuestion {
  runDir: string;
  cluster: DoctorCluster;
  /** As ControllerStatus.source says it where the doctor looked at a folder; otherwise absent. */
  source: string | undefined;
  /** Undefined: all Services; then only the controller itself is asked. */
  service: ObjectKey | undefined;
  /** Whether the Service has no error so far. */
  isHealthy: boolean;
  /** Whether to connect to the endpoints. */
  connects: boolean;
}

export async function lookAtNode(question: NodeQuestion): Promise<Finding[]> {
  const { runDir, cluster, source, service, isHealthy, connects } = question;
  const { controlSocket } = runPaths(runDir);
  if (!existsSync(controlSocket)) return [];
  const status = await statusOf(controlSocket);
  if (typeof status === "string") return [controllerDown(status, runDir), ...(await lookAtRules())];
  if (!isOfCluster(status, source)) return [ofAnotherCluster(status)];
  const own = controllerFindings(status).filter((each) => {
    return service === undefined || each.service === "" || each.service === service;
  });
  if (service === undefined) return [...own, ...(await lookAtTable(status, runDir))];
  const explanations = await explained(controlSocket, doorsToExplain(cluster, service));
  const places = connects ? placesToTry(cluster, service) : [];
  const tried = await Promise.all(places.map(tryPlace));
  return [
    ...own,
    ...(typeof explanations === "string"
      ? [unexplained(service, explanations)]
      : explanationFindings(service, explanations, isHealthy)),
    ...listeningFindings(service, tried),
  ];
}

/** As the controller does while it runs; what it programmed goes on without it. */
async function lookAtRules(): Promise<Finding[]> {
  return (await presentRoutingRuleProblems()).map(routingRuleFinding);
}

/** Where it cannot be asked, the controller has said more of it. */
async function lookAtTable(status: ControllerStatus, runDir: string): Promise<Finding[]> {
  const client = new TableClient(runPaths(runDir).tableSocket);
  const table = await client.version().catch(() => undefined);
  client.close();
  return table ? tableFindings(status, table) : [];
}

/** Why there is none, in words. */
function statusOf(controlSocket: string): Promise<ControllerStatus | string> {
  return callController<ControllerStatus>(controlSocket, "GET", STATUS_PATH).catch(
    (error: Error) => error.message,
  );
}

/** Why it cannot, in words; it may not have read the cluster yet. */
async function explained(
  controlSocket: string,
  doors: readonly string[],
): Promise<Explanation[] | string> {
  const explanations: Explanation[] = [];
  try {
    for (const to of doors) {
      const path = `${EXPLAIN_PATH}?${new URLSearchParams({ to })}`;
      explanations.push(await callController<Explanation>(controlSocket, "GET", path));
    }
  } catch (error) {
    if (error instanceof ControlClientError) return error.message;
    throw error;
  }
  return explanations;
}

/** A folder is this node's when it is the very same; of two API servers nobody can tell. */
function isOfCluster(status: ControllerStatus, source: string | undefined): boolean {
  const isFolder = status.source.startsWith("manifests in ");
  return source === undefined ? !isFolder : status.source === source;
}

function ofAnotherCluster({ source, fedBy }: ControllerStatus): Finding {
  const text = `this node: its Portico serves something else, ${source}; it is not looked at`;
  const command =
    fedBy?.kind === "manifests"
      ? `portico doctor --manifests ${fedBy.directory}`
      : "portico services";
  return { level: "note", code: "another-cluster", service: "", text, command };
}

function unexplained(service: ObjectKey, message: string): Finding {
  const text = `this node: its controller does not explain: ${message}`;
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
