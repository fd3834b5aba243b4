// SCTP is not carried (Envoy has none), and that is said: on the Service, in the metrics. It costs
// the other ports nothing, and nothing here makes the kernel load its sctp module.

import { existsSync, readFileSync } from "node:fs";
import { EventsV1Api } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster, untilAnsweredBy, untilOutcome, WEB } from "./served-cluster.ts";

const WEB_PORT = { name: "web", port: 80, targetPort: 8080 };
const SIGNALS = { name: "signals", port: 3868, protocol: "SCTP", targetPort: 3868 };

let served: ServedCluster;
let objects: Objects;
let client: Dialer;
let before: string[];

beforeAll(async () => {
  before = presentSctp();
  served = await ServedCluster.start();
  client = await served.dialer("client-1");
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
  // A second try of this test asks for the same ports and addresses.
  return objects.deleteServices();
});

beforeEach(async () => {
  objects = await served.objects();
  await objects.createPod(served.pod("web-1"));
});

/**
 * Lines of the kernel's lists of modules and of protocols that have sockets: the latter knows SCTP
 * exactly when its module is loaded or built in. Connection tracking and matches of xtables are
 * other modules, which do not bring it.
 */
function presentSctp(): string[] {
  return ["/proc/modules", "/proc/net/protocols"].flatMap((file) => {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    return lines.map((line) => line.split(" ")[0] ?? "").filter((name) => /^sctp/i.test(name));
  });
}

async function createWeb(...ports: object[]) {
  const spec = { type: "NodePort", selector: WEB, ports: ports as [typeof WEB_PORT] };
  const created = await objects.createService({ name: "web", spec });
  const nodePorts = created.spec?.ports?.map(({ nodePort = 0 }) => nodePort) ?? [];
  return { address: created.spec?.clusterIP ?? "", nodePorts, uid: created.metadata?.uid ?? "" };
}

/** What Portico holds against this test's Service. */
async function problems(): Promise<string[]> {
  const all = (await served.portico.status()).problems;
  const ours = all.filter(({ object }) => object === `Service ${objects.namespace}/web`);
  return ours.map(({ message }) => message);
}

async function problemCount(): Promise<number> {
  const script =
    "fetch('http://127.0.0.1:10249/metrics').then(async (r) => " + "console.log(await r.text()))";
  const { stdout } = await served.node("node-1").exec(process.execPath, ["-e", script]);
  return Number(/^portico_problems{source="node"} (\d+)$/m.exec(stdout)?.[1] ?? 0);
}

it("an SCTP port is told in an Event and a metric; the other ports are served", async () => {
  const { address, nodePorts, uid } = await createWeb(WEB_PORT, SIGNALS);
  await untilAnsweredBy(["web-1"], client, address);
  await untilAnsweredBy(["web-1"], client, served.addressOf("node-1"), nodePorts[0]);
  const message = "not carried: SCTP port 3868 (signals)";
  expect(await problems()).toEqual([message]);
  await eventually("its count", LAG_MS, async () => (await problemCount()) === 1);
  const events = served.plane.kubeConfig().makeApiClient(EventsV1Api);
  const found = async () => {
    const { items } = await events.listNamespacedEvent({ namespace: objects.namespace });
    const ours = items.filter(({ regarding }) => regarding?.uid === uid);
    return ours.find(({ reason }) => reason === "ProtocolNotCarried");
  };
  await eventually("an Event", LAG_MS, async () => (await found()) !== undefined);
  expect(await found()).toMatchObject({ type: "Warning", note: message });
  await objects.patchService("web", { spec: { ports: [WEB_PORT] } });
  await eventually("no problem", LAG_MS, async () => (await problems()).length === 0);
  await eventually("no count", LAG_MS, async () => (await problemCount()) === 0);
  await untilAnsweredBy(["web-1"], client, address);
});

it("TCP and SCTP on one port number: TCP is served", async () => {
  const { address, nodePorts } = await createWeb(WEB_PORT, { ...SIGNALS, port: 80 });
  await untilAnsweredBy(["web-1"], client, address);
  await untilAnsweredBy(["web-1"], client, served.addressOf("node-2"), nodePorts[0]);
  expect(await problems()).toEqual(["not carried: SCTP port 80 (signals)"]);
});

it("a Service with nothing but SCTP: its cluster IP refuses TCP", async () => {
  const { address } = await createWeb(SIGNALS);
  await untilOutcome("refused", client, address, 3868);
  expect(await problems()).toHaveLength(1);
});

it("SCTP to a cluster IP is refused, and harms nobody; elsewhere it is left alone", async () => {
  const { address, nodePorts } = await createWeb(WEB_PORT, SIGNALS);
  await untilAnsweredBy(["web-1"], client, address);
  const held = await client.open(address, 80);
  const node = served.node("node-1");
  const pod = node.pod("client-1");
  for (const from of [pod, node]) {
    await untilSaid("refused", from, address, 3868);
    await untilSaid("refused", from, address, 80);
    await untilSaid("silence", from, "10.96.255.77", 3868);
  }
  // Where SCTP would go without Portico: to a kernel that has none, or that has no such socket.
  const untouched = before.length > 0 ? "answered" : "no protocol";
  await untilSaid(untouched, pod, node.address, nodePorts[1] ?? 0);
  await untilSaid(untouched, pod, served.addressOf("web-3"), 3868);
  expect(await held.echo("still there?")).toBe("still there?");
  await untilAnsweredBy(["web-1"], client, address);
});

/** Sends an INIT from a raw socket, which needs no SCTP in the kernel; says what comes back. */
const INIT = `
import socket, struct, sys
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)
address, port = sys.argv[1], int(sys.argv[2])
head = struct.pack("!HHI", 40000 + port % 1000, port, 0)
chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65535, 1, 1, 7)
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
sender.settimeout(0.3)
sender.connect((address, 0))
try:
    try:
        sender.send(head + crc32c(head + bytes(4) + chunk) + chunk)
    except PermissionError:
        pass # a rule refused it on its way out, and recv says how
    sender.recv(2048)
    print("answered")
except socket.timeout:
    print("silence")
except ConnectionRefusedError:
    print("refused")
except OSError as error:
    print({92: "no protocol"}.get(error.errno, error))
`;

/** The kernel sends a client few ICMP errors a second, so it may take several. */
async function untilSaid(what: string, from: Namespace, address: string, port: number) {
  let said = "";
  await eventually(`SCTP from ${from.label} to ${address}:${port} ${what}`, LAG_MS, async () => {
    const { stdout } = await from.exec("python3", ["-c", INIT, address, `${port}`]);
    said = stdout.trim();
    return said === what;
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${said}`);
  });
}

it("no rule reads SCTP", async () => {
  const node = served.node("node-1");
  const list = ["--debug=netlink", "list", "table", "inet", "portico"];
  const { stdout, stderr } = await node.exec("nft", list);
  const expressions = [...`${stdout}${stderr}`.matchAll(/^ {2}\[ (\w+)/gm)].map(([, name]) => name);
  expect(new Set(expressions)).toContain("tproxy");
  expect(expressions).not.toContain("exthdr"); // what reads SCTP's chunks
  expect(stdout).not.toMatch(/\bsctp\b/i);
});

it("after all this, and a cleanup, the kernel has no more of SCTP than before", async () => {
  await served.portico.end("SIGTERM");
  expect((await served.portico.command("cleanup")).code).toBe(0);
  expect(presentSctp()).toEqual(before);
  if (!existsSync("/proc/modules")) {
    console.log("This kernel loads no modules; that sctp is not loaded says little here.");
  }
});
