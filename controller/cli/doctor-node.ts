// The node that the doctor runs on, if a Portico runs there → findings: what its controller says,
// how it explains the Service's front doors, and whether the endpoints listen. Where there is none,
// nothing is said.

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { runPaths } from "../config.ts";
import { type ControllerStatus, EXPLAIN_PATH, STATUS_PATH } from "../daemon/control-api.ts";
import { listeningFindings, type Place, placesToTry, type Tried } from "../doctor/listening.ts";
import { controllerFindings, doorsToExplain, explanationFindings } from "../doctor/this-node.ts";
import type { DoctorCluster, Finding } from "../doctor/types.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { ObjectKey } from "../model/types.ts";
import { callController } from "./control-client.ts";

const CONNECT_MS = 1_000;

export interface NodeQuestion {
  runDir: string;
  cluster: DoctorCluster;
  /** Undefined: all Services; then only the controller itself is asked. */
  service: ObjectKey | undefined;
  /** Whether the Service has no error so far. */
  isHealthy: boolean;
  /** Whether to connect to the endpoints. */
  connects: boolean;
}

export async function lookAtNode(question: NodeQuestion): Promise<Finding[]> {
  const { runDir, cluster, service, isHealthy, connects } = question;
  const { controlSocket } = runPaths(runDir);
  if (!existsSync(controlSocket)) return [];
  const status = await statusOf(controlSocket);
  if (typeof status === "string") return [controllerDown(status, runDir)];
  const own = controllerFindings(status).filter((each) => {
    return service === undefined || each.service === "" || each.service === service;
  });
  if (service === undefined) return own;
  const explanations: Explanation[] = [];
  for (const to of doorsToExplain(cluster, service)) {
    const path = `${EXPLAIN_PATH}?${new URLSearchParams({ to })}`;
    explanations.push(await callController<Explanation>(controlSocket, "GET", path));
  }
  const places = connects ? placesToTry(cluster, service) : [];
  const tried = await Promise.all(places.map(tryPlace));
  return [
    ...own,
    ...explanationFindings(service, explanations, isHealthy),
    ...listeningFindings(service, tried),
  ];
}

/** Why there is none, in words. */
function statusOf(controlSocket: string): Promise<ControllerStatus | string> {
  return callController<ControllerStatus>(controlSocket, "GET", STATUS_PATH).catch(
    (error: Error) => error.message,
  );
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
