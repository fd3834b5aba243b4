// A controller that has no descriptors left, or few: it goes on, says so, takes nothing for gone
// that it cannot see, and does what it missed when it has descriptors again.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { livingEnvoy } from "../../envoy/process.ts";
import { shortOfDescriptors } from "../campaign/process-faults.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const [VIP, LATER, POD] = ["10.96.0.10", "10.96.0.11", "10.1.1.11"];
const DEADLINE_MS = 30_000;
const SHORT = "the controller has fewer than \\d+ file descriptors of \\d+ left";

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;

beforeAll(async () => {
  const pods = { client: "10.1.1.10", web: POD };
  ({ cluster, node } = await makeNode({ name: "node-1", dualStack: true, pods }));
  await node.pod("web").serve({ tcp: 8080 });
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  write(VIP);
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced(DEADLINE_MS);
});
afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

function write(...addresses: readonly string[]): void {
  const services = addresses.flatMap((clusterIP, number) =>
    serviceObjects({ name: `web-${number}`, clusterIP, endpoints: [POD] }),
  );
  portico.write([nodeObject("node-1", node.address), ...services]);
}

async function isAnswered(address: string): Promise<boolean> {
  return (await client.dial(address, 80, { tries: 1 }))[0]?.outcome === "answered";
}

/** What makes it spawn, accept, open, watch and list: others' doings, questions, a new Service. */
async function askMuch(): Promise<void> {
  const script = [
    ...["address add 198.51.100.9/32", "address del 198.51.100.9/32"].map(
      (it) => `ip ${it} dev lo`,
    ),
    ...["ip rule del priority 1", "nft flush ruleset", `kill -9 ${monitorOf("ip")}`],
  ];
  await node.exec("sh", ["-c", script.join("; ")], { allowFailure: true });
  const ask =
    "const signal = AbortSignal.timeout(500); for (let count = 0; count < 16; count += 1)" +
    "fetch('http://127.0.0.1:10249/healthz', { signal }).catch(() => 0)";
  await node.exec(process.execPath, ["-e", ask], { allowFailure: true });
  portico.status().catch(() => {});
  write(VIP, LATER);
}

/** Pid of the program that prints the kernel's changes to the controller. */
function monitorOf(name: string): string {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid));
  const isIt = (pid: string) => {
    const status = statusOf(pid);
    return status.startsWith(`Name:\t${name}\n`) && status.includes(`\nPPid:\t${portico.pid}\n`);
  };
  return pids.find(isIt) ?? "";
}

/** What they lead to, sorted. */
function descriptorsOf(pid: number | undefined): string[] {
  const directory = `/proc/${pid}/fd`;
  const leadsTo = (number: string) => {
    try {
      return readlinkSync(`${directory}/${number}`);
    } catch {
      return "closed meanwhile";
    }
  };
  return readdirSync(directory).map(leadsTo).sort();
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

it.each([0, 6])(
  "goes on with %i descriptors more than it holds",
  async (left) => {
    write(VIP);
    await eventually(`an answer of ${VIP}`, DEADLINE_MS, () => isAnswered(VIP));
    await portico.sound();
    const [pid, logged] = [portico.pid, portico.log.length];
    const envoy = await livingEnvoy(`${portico.runDirectory}/a`);
    expect([typeof pid, typeof envoy]).toEqual(["number", "number"]);
    const held = await client.open(VIP, 80);
    const before = descriptorsOf(pid);
    const heal = await shortOfDescriptors(pid, left);
    await askMuch();
    const since = () => portico.log.slice(logged);
    await eventually("a problem in the log", DEADLINE_MS, async () =>
      new RegExp(SHORT).test(since()),
    );
    await eventually("a failed program", DEADLINE_MS, async () => /spawn \S+ EMFILE/.test(since()));
    await heal();
    await eventually(`an answer of ${VIP}`, DEADLINE_MS, () => isAnswered(VIP));
    await eventually(`an answer of ${LATER}`, DEADLINE_MS, () => isAnswered(LATER));
    const solved = new RegExp(`"solved":"[^"]*${SHORT}`);
    await eventually("its end in the log", DEADLINE_MS, async () => solved.test(since()));
    await portico.sound(DEADLINE_MS);
    const isNoMore = async () => descriptorsOf(pid).length <= before.length;
    await eventually("no descriptor more", DEADLINE_MS, isNoMore, () => {
      return { before, now: descriptorsOf(pid) };
    });
    expect(await held.echo("still here")).toBe("still here");
    expect([portico.pid, await livingEnvoy(`${portico.runDirectory}/a`)]).toEqual([pid, envoy]);
  },
  60_000,
);
