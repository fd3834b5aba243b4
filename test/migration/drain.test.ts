// `portico drain`: another proxy gets what is new, and what goes through Envoy goes on. The other
// proxy is a rule that translates, as kube-proxy's do.

import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { endEnvoy, livingEnvoy } from "../../envoy/process.ts";
import { slotDirectory } from "../../envoy/slots.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import { shortenUdpTimeouts } from "../namespaces/udp-timeouts.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "../real/portico-fixture.ts";

const LAG_MS = 30_000;
const WEB = "10.96.0.10";
const DNS = "10.96.0.11";
/** Seconds; 120 by default, for which a drain would wait. */
const UDP_TIMEOUT = 2;

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;
let held: HeldConnection;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({
    name: "node-1",
    pods: { client: "auto", "of-portico": "auto", "of-the-other": "auto" },
  }));
  for (const label of ["of-portico", "of-the-other"]) {
    await node.pod(label).serve({ tcp: 8080, udp: 8080 });
  }
  await shortenUdpTimeouts(node, UDP_TIMEOUT);
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  const endpoints = [node.pod("of-portico").address];
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: WEB, endpoints }),
    ...serviceObjects({ name: "dns", clusterIP: DNS, endpoints, port: 53, protocol: "UDP" }),
  ]);
  await portico.start();
  await portico.synced(LAG_MS);
  await startOther();
});

afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico?.log);
});

async function sh(script: string): Promise<string> {
  return (await node.exec("sh", ["-c", script])).stdout;
}

async function startOther(): Promise<void> {
  const backend = `${node.pod("of-the-other").address}:8080`;
  await node.exec("nft", ["-f", "-"], {
    input: `table ip other {
      chain nat-prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr ${WEB} tcp dport 80 dnat to ${backend}
        ip daddr ${DNS} udp dport 53 dnat to ${backend}
      }
    }`,
  });
}

/** Who answers: over TCP, and over UDP from one port. */
async function whoAnswers(): Promise<string[]> {
  const timeoutMs = 10_000;
  const web = await client.dialOnce(WEB, 80, { timeoutMs });
  const udp = { protocol: "UDP", localPort: 5_555, timeoutMs } as const;
  const dns = await client.dialOnce(DNS, 53, udp);
  return [web, dns].map(({ name, outcome }) => name || outcome);
}

it("is preceded by Portico's serving, whoever else would", async () => {
  expect(await whoAnswers()).toEqual(["of-portico", "of-portico"]);
  held = await client.open(WEB, 80);
});

it("leaves new connections to the other at once, and waits for the old ones", async () => {
  const draining = portico.command("drain", "--limit", "1m");
  await eventually("the other answers", LAG_MS, async () => {
    return (await whoAnswers()).join() === "of-the-other,of-the-other";
  });
  expect(await held.echo("still there?", LAG_MS)).toBe("still there?");
  await held.close();
  const { code, stdout } = await draining;
  expect(stdout).toContain("no connections through Envoy are left");
  expect(code).toBe(0);
});

it("lets handshakes end that Envoy has begun to answer", async () => {
  await portico.end("SIGTERM");
  await portico.start();
  await portico.synced(LAG_MS);
  // The client takes itself to be connected, and nothing that it says from then on gets through.
  const pod = node.pod("client");
  await pod.exec("nft", ["-f", "-"], {
    input: `table ip late {
      chain output {
        type filter hook output priority filter; policy accept;
        ip daddr ${WEB} tcp flags & (syn | ack) == ack counter drop
      }
    }`,
  });
  const dialed = client.dialOnce(WEB, 80, { timeoutMs: 60_000 });
  await eventually("the client's side of the handshake", LAG_MS, async () => {
    const { stdout } = await pod.exec("nft", ["list", "table", "ip", "late"]);
    return !stdout.includes("packets 0 ");
  });
  const draining = portico.command("drain", "--limit", "0s");
  expect((await draining).stdout).toContain("capturing stopped");
  await pod.exec("nft", ["delete", "table", "ip", "late"]);
  expect(await dialed).toMatchObject({ outcome: "answered", name: "of-portico" });
  expect(await whoAnswers()).toEqual(["of-the-other", "of-the-other"]);
});

it("stays so while the cluster changes", async () => {
  const endpoints = [node.pod("of-portico").address];
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: WEB, endpoints }),
    ...serviceObjects({ name: "more", clusterIP: "10.96.0.12", endpoints }),
  ]);
  await eventually("the new Service in Envoy", LAG_MS, async () => {
    return (await portico.command("services")).stdout.includes("10.96.0.12");
  });
  expect(await whoAnswers()).toEqual(["of-the-other", "of-the-other"]);
  expect(await sh("nft list map inet portico frontends_v4")).not.toContain("10.96.0.12");
  expect(await sh("nft list set inet portico cluster_ips_v4")).not.toContain("elements");
  expect(await sh("nft list chain inet portico from_frontend")).toMatch(
    /from_frontend \{\s+ct state new accept\s+meta l4proto != tcp accept\s/,
  );
});

it("lets a Pod go, with its Envoy and without a cleanup", async () => {
  const slot = slotDirectory(portico.runDirectory, "a");
  expect(await livingEnvoy(slot)).toBeDefined();
  await portico.end("SIGTERM");
  await endEnvoy(slot);
  expect(await livingEnvoy(slot)).toBeUndefined();
  expect(await whoAnswers()).toEqual(["of-the-other", "of-the-other"]);
});

it("ends with the next start", async () => {
  await portico.start();
  await portico.synced(LAG_MS);
  const { name } = await client.dialOnce(WEB, 80, { timeoutMs: 10_000 });
  expect(name).toBe("of-portico");
});

it("says what is left when its time is over", async () => {
  const connection = await client.open(WEB, 80);
  const { code, stdout } = await portico.command("drain", "--limit", "0s");
  expect(stdout).toMatch(/time limit reached: \d+ connections through Envoy are open/);
  expect(code).toBe(1);
  await connection.close();
});
