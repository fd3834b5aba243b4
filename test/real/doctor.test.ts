// `portico doctor` without a flag, on a node whose controller is fed from a folder of manifests.

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Finding } from "../../controller/doctor/types.ts";
import { eventually } from "../eventually.ts";
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
  await portico.start(["--service-cidr", "10.96.0.0/16", "--rule-priority", "100"]);
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

/** As Calico's with WireGuard: before Portico's, which this test starts at 100. */
const CATCHING = "-6 rule VERB not fwmark 0x100000/0x100000 lookup 1 priority 99";

async function changeCatchingRule(verb: "add" | "del"): Promise<void> {
  await node.exec("ip", CATCHING.replace("VERB", verb).split(" "));
}

async function routingErrors(...args: string[]): Promise<string[]> {
  const { stdout } = await doctor("-o", "json", ...args);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  const found = findings.filter(({ code }) => code === "routing-rule-first");
  return found.map(({ level, text }) => `${level} ${text}`);
}

const NAMED_RULE = [
  "error this node: a routing rule precedes Portico's, and may take the packets for Envoy: " +
    "IPv6 99 for all but mark 0x100000/0x100000 → 1; " +
    "set portico run --rule-priority 98, or leave it at its default, 1",
];

it("names a routing rule that comes before Portico's while the controller runs", async () => {
  expect(await routingErrors()).toEqual([]);
  await changeCatchingRule("add");
  const logged = () => portico.log.match(/"msg":"a routing rule precedes[^"]*IPv6 99 /g);
  await eventually("a line in the log", 10_000, async () => logged()?.length === 1);
  expect(await routingErrors()).toEqual(NAMED_RULE);
  await changeCatchingRule("del");
  const solved = /"solved":"a routing rule precedes[^"]*IPv6 99 /;
  await eventually("that it is solved", 10_000, async () => solved.test(portico.log));
  expect(await routingErrors()).toEqual([]);
});

it("names a sysctl that keeps Services from answering, as wg-quick sets it later", async () => {
  const problem = "net.ipv4.conf.all.src_valid_mark is 1: Services do not answer";
  const set = (value: 0 | 1) => {
    const file = "/proc/sys/net/ipv4/conf/all/src_valid_mark";
    return node.exec("sh", ["-c", `echo ${value} > ${file}`]);
  };
  await set(1);
  await eventually("a line in the log", 10_000, async () =>
    portico.log.includes(`"msg":"${problem}`),
  );
  const { stdout } = await doctor();
  expect(stdout).toContain(problem);
  await set(0);
  await eventually("that it is solved", 10_000, async () =>
    portico.log.includes(`"solved":"${problem}`),
  );
});

it("names such a rule when the controller does not answer, too", async () => {
  await portico.end("SIGKILL");
  await changeCatchingRule("add");
  expect(await routingErrors("--manifests", portico.manifests)).toEqual(NAMED_RULE);
  await changeCatchingRule("del");
  expect(await routingErrors("--manifests", portico.manifests)).toEqual([]);
});

it("names the flags to give when the controller does not run", async () => {
  const { code, stderr } = await doctor("test/web");
  expect(code).toBe(2);
  expect(stderr).toMatch(/Use --kubeconfig FILE or --manifests DIR/);
});
