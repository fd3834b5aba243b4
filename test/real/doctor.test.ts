// `portico doctor` without a flag, on a node whose controller is fed from a folder of manifests.

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { CommandResult } from "../namespaces/command.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";

const WEB: ServiceSketch = { name: "web", clusterIP: "10.96.0.10", endpoints: ["10.1.1.21"] };
const EMPTY: ServiceSketch = { name: "empty", clusterIP: "10.96.0.11", endpoints: [] };

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;

beforeAll(async () => {
  const pods = { client: "10.1.1.10", "web-1": "10.1.1.21" };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("web-1").serve({ tcp: 8080 });
  portico = new PorticoProcess(node);
  const services = [WEB, EMPTY].flatMap(serviceObjects);
  portico.write([nodeObject("node-1", node.address), ...services]);
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced(30_000);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

/** By a user who has no kubeconfig. */
async function doctor(...args: string[]): Promise<CommandResult> {
  vi.stubEnv("KUBECONFIG", "");
  vi.stubEnv("HOME", portico.runDirectory);
  try {
    return await portico.command("doctor", ...args);
  } finally {
    vi.unstubAllEnvs();
  }
}

it("looks at the folder that the controller is fed from, and at what is programmed", async () => {
  const { code, stdout, stderr } = await doctor("test/web");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("test/web");
  expect(stdout).toContain(`${WEB.clusterIP}:80/TCP`);
});

it("finds what is wrong with a Service of that folder", async () => {
  const { code, stdout } = await doctor("test/empty", "-o", "json");
  const { findings } = JSON.parse(stdout) as { findings: { level: string; code: string }[] };
  expect(findings.map(({ level, code: own }) => `${level} ${own}`)).toContain("error no-endpoints");
  expect(code).toBe(1);
});

it("names the flags to give when the controller does not run", async () => {
  await portico.end("SIGTERM");
  const { code, stderr } = await doctor("test/web");
  expect(code).toBe(2);
  expect(stderr).toMatch(/Give --kubeconfig FILE or --manifests DIR/);
});
