// A cluster of some size → the memory of `portico run` that serves it: the program as it ships,
// with its watches, in a process of its own. Its Envoy is not counted.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { callController } from "../../../controller/cli/control-client.ts";
import { runPaths } from "../../../controller/config/run-options.ts";
import { type ControllerStatus, STATUS_PATH } from "../../../controller/control/control-api.ts";
import { type ClusterNode, makeNode } from "../../namespaces/cluster.ts";
import { firstLine } from "../first-line.ts";
import { peakBytes, residentBytes } from "../process-cost.ts";
import { type ClusterSize, NODE_NAME } from "../synthetic-cluster.ts";
import { until } from "../until.ts";

const API_SERVER_PORT = 6443;
/** From the first sync to the figure that counts: the garbage of the start is collected by then. */
const SETTLE_MS = 3_000;

export interface ControllerMemory {
  /** The most it ever had, and what it has once it has settled. */
  peakBytes: number;
  settledBytes: number;
  /** From its start until the table was applied. */
  startSeconds: number;
  frontends: number;
}

export async function controllerMemory(size: ClusterSize): Promise<ControllerMemory> {
  const runDirectory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const { cluster, node } = await makeNode({ name: "node" });
  try {
    await startApiServer(node, size);
    return await measure(node, runDirectory, size);
  } finally {
    await cluster.close();
    await rm(runDirectory, { recursive: true, force: true });
  }
}

async function measure(
  node: ClusterNode,
  runDirectory: string,
  size: ClusterSize,
): Promise<ControllerMemory> {
  const kubeconfig = join(runDirectory, "kubeconfig.yaml");
  await writeFile(kubeconfig, JSON.stringify(kubeConfig()));
  const begun = performance.now();
  const pid = startController(node, runDirectory, kubeconfig);
  const { controlSocket } = runPaths(runDirectory);
  let status: ControllerStatus | undefined;
  const isDone = async () => {
    const asked = callController<ControllerStatus>(controlSocket, "GET", STATUS_PATH);
    status = await asked.catch(() => undefined);
    return status?.lastSync?.error === "" && status.frontends === size.services;
  };
  await until("the controller has programmed everything", isDone, 60);
  const startSeconds = (performance.now() - begun) / 1_000;
  await delay(SETTLE_MS);
  return {
    peakBytes: peakBytes(pid),
    settledBytes: residentBytes(pid),
    startSeconds,
    frontends: status?.frontends ?? 0,
  };
}

function startController(node: ClusterNode, runDirectory: string, kubeconfig: string): number {
  const command = new URL("../../../build/portico", import.meta.url).pathname;
  const child = node.spawn(
    command,
    [
      ...["run", "--with-envoy", "--log-level", "warn"],
      ...["--kubeconfig", kubeconfig, "--node-name", NODE_NAME, "--run-dir", runDirectory],
    ],
    { stdio: "inherit" },
  );
  if (child.pid === undefined) throw new Error("the controller does not start");
  return child.pid;
}

async function startApiServer(node: ClusterNode, size: ClusterSize): Promise<void> {
  const program = new URL("api-server.ts", import.meta.url).pathname;
  const numbers = [API_SERVER_PORT, size.services, size.endpointsEach].map(String);
  const child = node.spawn(process.execPath, [program, "127.0.0.1", ...numbers]);
  await firstLine(child, "the API server");
}

function kubeConfig(): object {
  const server = `http://127.0.0.1:${API_SERVER_PORT}`;
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bench", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "bench", user: { token: "bench" } }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
    "current-context": "bench",
  };
}
