// Who enforces NetworkPolicies on a node, as `portico check`, `run` and `doctor` find it: chains
// with the names of real enforcers, without their rules.

import { mkdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import type { Finding } from "../../controller/check/finding.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess } from "./portico-fixture.ts";

const PORTICO = new URL("../../build/portico", import.meta.url).pathname;
const SOON = { timeout: 30_000 };
const CALICO = "network policies by Calico";
const CHAINS = [
  "add table ip calico",
  "add chain ip calico filter-cali-FORWARD",
  "add table inet kindnet-network-policies",
  "add chain inet kindnet-network-policies postrouting",
  "add table ip kube-router-filter-ipv4",
  "add chain ip kube-router-filter-ipv4 KUBE-ROUTER-INPUT",
  "",
];

let cluster: Cluster;
let node: ClusterNode;
const started: PorticoProcess[] = [];

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: {} }));
  await node.exec("nft", ["-f", "-"], { input: CHAINS.join("\n") });
});
afterAll(() => cluster?.close());
afterEach(async () => {
  for (const portico of started.splice(0)) await portico.close();
});

async function portico(...flags: string[]): Promise<PorticoProcess> {
  const process = new PorticoProcess(node);
  started.push(process);
  process.write([nodeObject("node-1", node.address)]);
  mkdirSync(process.runDirectory, { recursive: true });
  await process.start(flags);
  return process;
}

it("check names each, and what does not hold by the hook that is asked for", async () => {
  const policies = async (...flags: string[]) => {
    const all = [PORTICO, "check", "-o", "json", ...flags];
    const { stdout } = await node.exec(process.execPath, all, { allowFailure: true });
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const own = findings.filter(({ what }) => what.startsWith("network policies by "));
    return own.map(({ level, what }) => `${level} ${what.slice(20).split(":")[0]}`).sort();
  };
  expect(await policies()).toEqual([
    "note kube-network-policies",
    "note kube-router",
    "warning Calico",
  ]);
  expect(await policies("--policy-hook", "output")).toEqual([
    "blocker Calico",
    "blocker kube-network-policies",
    "note kube-router",
  ]);
});

it("run does not start where policies would be open", SOON, async () => {
  const refused = await portico("--policy-hook", "output");
  expect(await refused.ended()).toBe(1);
  expect(refused.log).toContain(`${CALICO}: ingress policies do not hold for Pods of this node`);
  expect(refused.log).toContain("to start Portico anyway, add --allow-open-policies");
  expect((await node.exec("nft", ["list", "tables"])).stdout).not.toContain("portico");
});

it("unless that is allowed; then it is a problem", async () => {
  const open = await portico("--policy-hook", "output", "--allow-open-policies");
  await open.synced(30_000);
  const { problems } = await open.status();
  expect(problems).toContainEqual({
    object: "This node",
    message: expect.stringContaining(`${CALICO}: ingress policies do not hold`),
  });
});

it("run logs each where they hold, and doctor names them", async () => {
  const held = await portico();
  await held.synced(30_000);
  expect(held.log).toContain(`${CALICO}: ingress policies hold; egress policies see the Service`);
  expect((await held.status()).problems).toEqual([]);
  vi.stubEnv("KUBECONFIG", "");
  vi.stubEnv("HOME", held.runDirectory);
  const { stdout } = await held.command("doctor", "-o", "json");
  vi.unstubAllEnvs();
  const { findings } = JSON.parse(stdout) as { findings: { level: string; code: string }[] };
  const own = findings.filter(({ code }) => code === "policy-enforcer");
  expect(own.map(({ level }) => level)).toEqual(["warning", "note", "note"]);
});

it("notices one that starts later, logs it once, and goes on", SOON, async () => {
  await node.exec("nft", ["delete", "table", "ip", "calico"]);
  await node.exec("nft", ["delete", "table", "inet", "kindnet-network-policies"]);
  const later = await portico("--policy-hook", "output", "--sync-period", "1s");
  await later.synced(30_000);
  expect((await later.status()).problems).toEqual([]);
  await node.exec("nft", ["-f", "-"], { input: CHAINS.join("\n") });
  await vi.waitFor(async () => {
    const { problems } = await later.status();
    const messages = problems.map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining(`${CALICO}: ingress policies do not`));
  }, 20_000);
  const logged = later.log.split(`${CALICO}: ingress policies do not hold`).length - 1;
  // The log has it as the enforcer's line and as the problem.
  expect(logged).toBeLessThanOrEqual(2);
});
