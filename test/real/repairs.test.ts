// What other processes remove from the kernel of a node under Portico, and how soon it is back. The
// sync period is so long that only the watch can be the reason, but where a test says otherwise.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { OWN_NFT } from "../../controller/capture/named-nft.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { metricsOf } from "./metrics-of-node.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const VIP = "10.96.0.10";
const POD = "10.1.1.11";
const EARLY_DEMUX = "/proc/sys/net/ipv4/tcp_early_demux";
const SELDOM = ["--service-cidr", "10.96.0.0/16", "--sync-period", "1h"];
/** A repair takes less than a second on a machine that has nothing else to do. */
const DEADLINE_MS = 30_000;

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;

beforeAll(async () => {
  const pods = { client: "10.1.1.10", web: POD };
  ({ cluster, node } = await makeNode({ name: "node-1", dualStack: true, pods }));
  await node.pod("web").serve({ tcp: 8080 });
  client = await node.pod("client").dialer();
});
afterAll(() => cluster?.close());

beforeEach(() => {
  portico = new PorticoProcess(node);
  writeCluster(0);
});
afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
  return portico.close();
});

/** One Service that stays, and one whose address depends on `number`. */
function writeCluster(number: number): void {
  const ipv6 = "fd00:96::10";
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: VIP, endpoints: [POD], nodePort: 30080 }),
    ...serviceObjects({ name: "dns", clusterIP: "10.96.0.53", endpoints: [POD], protocol: "UDP" }),
    ...serviceObjects({ name: "web6", clusterIP: ipv6, endpoints: ["fd00:1::11"] }),
    ...serviceObjects({ name: "busy", clusterIP: `10.96.1.${number % 200}`, endpoints: [POD] }),
  ]);
}

/** All that Portico has in the kernel, but for what the Service that changes has there. */
async function kernel(): Promise<string> {
  const parts = ["nft list table inet portico", "ip -N rule", "ip -N -6 rule"];
  const routes = [4100, 4101].flatMap((table) => [
    `ip -N route show table ${table}`,
    `ip -N -6 route show table ${table}`,
  ]);
  const links = [
    "ip -o -4 addr show dev portico1 up | cut -d: -f2-",
    "ip link show up group 87 | grep -c UP",
  ];
  const script = [...parts, ...routes, ...links, `cat ${EARLY_DEMUX}`].join("; ");
  const { stdout } = await node.exec("sh", ["-c", script], { allowFailure: true });
  const entries = stdout
    .replace(/,\s+/g, "\n")
    .replace(/elements = \{/g, "\n")
    .split("\n");
  return entries
    .map((line) => line.replace(/[{}]/g, "").trim())
    .filter((line) => line !== "" && !line.includes("10.96.1."))
    .sort()
    .join("\n");
}

async function served(): Promise<void> {
  await portico.synced(DEADLINE_MS);
  await eventually(`an answer of ${VIP}`, DEADLINE_MS, async () => {
    const [result] = await client.dial(VIP, 80, { tries: 1 });
    return result?.outcome === "answered";
  });
}

async function repairs(part: string): Promise<number> {
  const series = await metricsOf(node);
  const found = series.filter(({ name }) => name === "portico_repairs_total");
  return found.find(({ labels }) => labels.part === part)?.value ?? 0;
}

async function sh(script: string): Promise<string> {
  return (await node.exec("sh", ["-ec", script])).stdout;
}

const LIST = "nft -a list table inet portico";

/** Each as its name, the part of the kernel, and how another process does it. */
const REMOVALS: [string, string, string][] = [
  ["the IPv4 rule", "routing", "ip rule del fwmark 0x1000/0x1000"],
  ["the IPv6 rule", "routing", "ip -6 rule del fwmark 0x1000/0x1000"],
  [
    ...(["all rules", "routing"] as const),
    "ip rule flush; ip rule add prio 32766 table main; ip rule add prio 32767 table default",
  ],
  ["the IPv4 route", "routing", "ip route flush table 4100"],
  ["the IPv6 route", "routing", "ip -6 route flush table 4100"],
  ["the rule to the links", "routing", "ip rule del fwmark 0x50/0x50"],
  ["the route to the links", "routing", "ip -6 route flush table 4101"],
  ["the links", "routing", "ip link del portico0"],
  ["a link that is up", "routing", "ip link set portico1 down"],
  ["the address of a link", "routing", "ip addr flush dev portico1"],
  ["all rule sets", "nftables", "nft flush ruleset"],
  ["the table", "nftables", "nft delete table inet portico"],
  ["the rules of all chains", "nftables", "nft flush table inet portico"],
  [
    ...(["a rule", "nftables"] as const),
    `chain=$(${LIST} | grep tproxy -B20 | grep -oP 'chain \\K\\S+' | tail -1); ` +
      "handle=$(nft -a list chain inet portico $chain | grep -oP 'tproxy.*# handle \\K\\d+' | " +
      "head -1); nft delete rule inet portico $chain handle $handle",
  ],
  [
    ...(["a chain's rules", "nftables"] as const),
    `nft flush chain inet portico $(${LIST} | grep -oP 'chain \\K\\S+' | head -1)`,
  ],
  [
    ...(["one element", "nftables"] as const),
    `nft delete element inet portico frontends_v4 '{ ${VIP} . tcp . 80 }'`,
  ],
  [
    ...(["all elements", "nftables"] as const),
    `${LIST} | grep -oP '^\\s*\\K(set|map) \\S+(?= )' | ` +
      "sed 's/ / inet portico /; s/^/flush /' | nft -f -",
  ],
  ["the early demux", "sysctl", `echo 1 > ${EARLY_DEMUX}`],
];

describe.each(["a quiet", "a busy"])(
  "on %s node, what another process removes comes back",
  (how) => {
    let stop = async () => {};
    beforeEach(async () => {
      await portico.start(SELDOM);
      await served();
      if (how === "a busy") stop = keepBusy();
    });
    afterEach(() => stop());

    it("all of it, soon, with a line in the log and a count", async () => {
      const whole = await kernel();
      const took: string[] = [];
      for (const [name, part, script] of REMOVALS) {
        const [before, log] = [await repairs(part), portico.log.length];
        await sh(script);
        const ms = await eventually(`${name} again`, DEADLINE_MS, async () => {
          return (await kernel()) === whole;
        }).catch(async (error: Error) => {
          expect(await kernel(), error.message).toBe(whole);
          throw error;
        });
        took.push(`${name} ${ms} ms`);
        await eventually("its count", DEADLINE_MS, async () => (await repairs(part)) > before);
        expect(portico.log.slice(log)).toContain(
          part === "sysctl" ? "early_demux" : `repaired ${part}`,
        );
      }
      console.log(`on ${how} node: ${took.join(", ")}`);
      await served();
    }, 120_000);
  },
);

/** Another cluster every 20 ms; what is returned ends that. */
function keepBusy(): () => Promise<void> {
  let number = 0;
  const timer = setInterval(() => writeCluster(number++), 20);
  return async () => clearInterval(timer);
}

it("changes nothing, and counts nothing, while only we change things", async () => {
  await portico.start(SELDOM);
  await served();
  const before = portico.log;
  const stop = keepBusy();
  for (let number = 0; number < 20; number += 1) await served();
  await stop();
  await sh(
    "nft add table inet other; nft add chain inet other portico; nft delete table inet other",
  );
  await sh("ip rule add fwmark 0x7 table 77; ip rule del fwmark 0x7 table 77");
  await served();
  expect((await repairs("nftables")) + (await repairs("routing"))).toBe(0);
  expect(portico.log.slice(before.length)).not.toContain("repaired");
});

it("says in the log which process it was, and what it removed", async () => {
  await portico.start(SELDOM);
  await served();
  await sh("nft delete table inet portico");
  await eventually("the repair", DEADLINE_MS, async () => portico.log.includes("repaired"));
  expect(portico.log).toMatch(/nft \(pid \d+\): delete rule inet portico/);
  await sh("ip rule del fwmark 0x1000/0x1000");
  await eventually("the rule's repair", DEADLINE_MS, async () => portico.log.includes("routing"));
  expect(portico.log).toMatch(/rule removed: 1: from all fwmark 0x1000\/0x1000 lookup 4100/);
});

/**
 * A folder for PATH in which nft is a script: `before` runs first, and may exit; then nft runs,
 * named `name`.
 */
function scriptedNft(before: string, name: string): string {
  const folder = join(portico.runDirectory, "..", "bin");
  mkdirSync(join(folder, "real"), { recursive: true });
  const nft = execFileSync("sh", ["-c", "command -v nft"], { encoding: "utf8" }).trim();
  symlinkSync(nft, join(folder, "real", name));
  const script = `#!/bin/sh\n${before}\nexec ${join(folder, "real", name)} "$@"\n`;
  writeFileSync(join(folder, "nft"), script);
  chmodSync(join(folder, "nft"), 0o755);
  return `${folder}:${process.env.PATH}`;
}

async function health(path: string): Promise<{ status: number; body: string }> {
  const ask =
    "fetch('http://127.0.0.1:10256' + process.argv[1]).then(async (answer) => process.stdout" +
    ".write(JSON.stringify({ status: answer.status, body: await answer.text() })))";
  return JSON.parse((await node.exec(process.execPath, ["-e", ask, path])).stdout);
}

it("is not ready while it cannot repair, and healthy for those who would restart it", async () => {
  const flag = join(portico.manifests, "broken");
  const PATH = scriptedNft(`[ -e ${flag} ] && [ "$1" != monitor ] && exit 1`, OWN_NFT);
  await portico.start(SELDOM, { PATH });
  await served();
  writeFileSync(flag, "");
  await sh("nft flush ruleset");
  await eventually(
    "503 of /readyz",
    DEADLINE_MS,
    async () => (await health("/readyz")).status === 503,
  );
  expect((await health("/readyz")).body).toMatch(
    /kernel rules that other processes changed: nft \(pid \d+\): delete rule inet portico/,
  );
  expect((await health("/livez")).status).toBe(200);
  expect((await health("/healthz")).status).toBe(200);
  rmSync(flag);
  await eventually(
    "200 of /readyz",
    DEADLINE_MS,
    async () => (await health("/readyz")).status === 200,
  );
  await served();
});

describe("without a watch of nftables", () => {
  it("the periodic sync repairs, elements too, on a busy node", async () => {
    const PATH = scriptedNft('[ "$1" = monitor ] && exit 3', "nft");
    await portico.start([...SELDOM.slice(0, 2), "--sync-period", "1s"], { PATH });
    await served();
    const stop = keepBusy();
    const whole = await kernel();
    for (const [name, , script] of REMOVALS) {
      await sh(script);
      await eventually(`${name} again`, DEADLINE_MS, async () => (await kernel()) === whole);
    }
    await stop();
    const { problems } = await portico.status();
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/nftables are noticed only once per --sync-period: exited with 3/),
    ]);
  }, 180_000);
});

/** Pids of the programs on the node that watch the kernel, each with its parent's. */
async function monitors(): Promise<{ pid: string; parent: number }[]> {
  const inside = (await node.exec("readlink", ["/proc/self/ns/net"])).stdout.trim();
  const found: { pid: string; parent: number }[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const isInside = readlinkSync(`/proc/${pid}/ns/net`) === inside;
      const watches = /^(ip|nft)\0.*monitor\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      if (!isInside || !watches) continue;
      const [, parent] = /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      found.push({ pid, parent: Number(parent) });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

it("ends what a killed controller had watch the kernel, when the next one starts", async () => {
  await portico.start(SELDOM);
  await served();
  await eventually("both watches", DEADLINE_MS, async () => (await monitors()).length === 2);
  await portico.end("SIGKILL");
  // A change in the kernel would end them: without them there is nothing to show.
  expect((await monitors()).length).toBeGreaterThan(0);
  await portico.start(SELDOM);
  await served();
  await eventually("the new controller's only", DEADLINE_MS, async () => {
    const now = await monitors();
    return now.length === 2 && now.every(({ parent }) => parent === portico.pid);
  });
});

it("gives the node's new address its node ports, and takes them from one that goes", async () => {
  await portico.start([...SELDOM, "--nodeport-addresses", "198.51.100.0/24"]);
  await served();
  const floating = "198.51.100.9";
  await node.pod("client").exec("ip", ["route", "replace", `${floating}/32`, "via", "169.254.1.1"]);
  const outcome = async () => (await client.dial(floating, 30080, { tries: 1 }))[0]?.outcome;
  await sh(`ip address add ${floating}/32 dev lo`);
  const came = await eventually("an answer there", DEADLINE_MS, async () => {
    return (await outcome()) === "answered";
  });
  await sh(`ip address del ${floating}/32 dev lo`);
  const went = await eventually("its end in the kernel", DEADLINE_MS, async () => {
    return !(await kernel()).includes(floating);
  });
  console.log(`a new address had its node ports after ${came} ms, and lost them after ${went} ms`);
  expect(existsSync(portico.runDirectory)).toBe(true);
});
