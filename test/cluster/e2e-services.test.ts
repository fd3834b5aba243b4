// What Kubernetes' own tests ask of a Service proxy (test/e2e/network/service.go), where it takes
// the real controllers, or a proxy on each node, to ask it. test/checklist says which is which.

import { once } from "node:events";
import { NetworkingV1Api, type V1ServiceSpec } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { eventually } from "../eventually.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster, untilAnsweredBy, untilOutcome, WEB } from "./served-cluster.ts";

const HTTP = { name: "http", port: 80, targetPort: "http" };

let served: ServedCluster;
let objects: Objects;
let here: Dialer;
let there: Dialer;
let outside: Dialer;
let host: Dialer;
let addedCIDRs = 0;

beforeAll(async () => {
  served = await ServedCluster.start();
  here = await served.dialer("client-1");
  there = await served.dialer("client-2");
  outside = await served.dialer("outside");
  host = await served.dialer("node-1");
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
  // A second try of this test asks for the same ports and addresses.
  return objects.deleteServices();
});

beforeEach(async () => {
  objects = await served.objects();
});

/** Its cluster IP and first node port. */
async function createService(name: string, spec: V1ServiceSpec) {
  const created = await objects.createService({ name, spec });
  const { clusterIP = "", ports = [] } = created.spec ?? {};
  return { address: clusterIP, nodePort: ports[0]?.nodePort ?? 0 };
}

function createWeb(spec: V1ServiceSpec = {}) {
  return createService("web", { selector: WEB, ports: [HTTP], ...spec });
}

it("Services go up and down, and the others go on", async () => {
  const pods = (app: string) =>
    (["web-1", "web-2", "web-3"] as const).map((pod) =>
      served.pod(pod, { name: `${app}-${pod}`, labels: { app } }),
    );
  const create = async (app: string) => {
    await objects.scale({ app }, pods(app));
    return createService(app, { selector: { app }, ports: [HTTP] });
  };
  const all = ["web-1", "web-2", "web-3"];
  const [one, two] = [await create("one"), await create("two")];
  for (const client of [here, host]) {
    for (const { address } of [one, two]) await untilAnsweredBy(all, client, address);
  }
  await objects.deleteService("one");
  for (const client of [here, host]) await untilOutcome("timeout", client, one.address);
  const three = await create("three");
  for (const client of [here, host]) {
    await untilAnsweredBy(all, client, two.address);
    await untilAnsweredBy(all, client, three.address);
  }
});

it("ports with named targets on different Pods lead each to its own Pod", async () => {
  const ports = (name: string, containerPort: number) => [{ name, containerPort }];
  const { address } = await createService("web", {
    selector: WEB,
    ports: [
      { name: "one", port: 80, targetPort: "portname1" },
      { name: "two", port: 81, targetPort: "portname2" },
    ],
  });
  await untilOutcome("refused", here, address);
  await objects.createPod(served.pod("web-1", { ports: ports("portname1", 8080) }));
  await untilAnsweredBy(["web-1"], here, address);
  await untilOutcome("refused", here, address, 81);
  await objects.createPod(served.pod("web-3", { ports: ports("portname2", 9090) }));
  await untilAnsweredBy(["web-3"], here, address, 81);
  await untilAnsweredBy(["web-1"], here, address);
  const { server } = await here.dialOnce(address, 81);
  expect(server).toBe(`${served.addressOf("web-3")}:9090`);
  await objects.deletePod("web-1");
  await untilOutcome("refused", here, address);
  await untilAnsweredBy(["web-3"], here, address, 81);
});

it("one target port has another number on each Pod", async () => {
  const { address } = await createWeb();
  const http = (containerPort: number) => ({ ports: [{ name: "http", containerPort }] });
  await objects.createPod(served.pod("web-1", http(8080)));
  await objects.createPod(served.pod("web-3", http(9090)));
  await untilAnsweredBy(["web-1", "web-3"], here, address);
  const results = await here.dial(address, 80, { tries: 12 });
  const servers = new Set(results.map(({ server }) => server));
  const expected = [`${served.addressOf("web-1")}:8080`, `${served.addressOf("web-3")}:9090`];
  expect([...servers].sort()).toEqual(expected.sort());
});

it("the backend sees the client Pod's address, from its own node and from another", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address } = await createWeb();
  for (const name of ["client-1", "client-2", "web-2", "web-4"] as const) {
    const client = await served.dialer(name);
    await untilAnsweredBy(["web-1"], client, address);
    const result = await client.dialOnce(address, 80);
    expect(result.client.split(":")[0]).toBe(served.addressOf(name));
  }
});

it("a Pod that is its Service's endpoint reaches itself", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const itself = await served.dialer("web-1");
  await untilAnsweredBy(["web-1"], itself, address);
  await untilAnsweredBy(["web-1"], itself, served.addressOf("node-1"), nodePort);
  await objects.createPod(served.pod("web-3"));
  await untilAnsweredBy(["web-1", "web-3"], itself, address);
});

it("a node port answers on every node, from Pods, the host and outside", async () => {
  await objects.createPod(served.pod("web-1"));
  await objects.createPod(served.pod("web-3"));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  for (const client of [here, there, host, outside]) {
    for (const node of ["node-1", "node-2"] as const) {
      await untilAnsweredBy(["web-1", "web-3"], client, served.addressOf(node), nodePort);
    }
  }
  await untilAnsweredBy(["web-1", "web-3"], here, address);
});

it("nothing listens on a node port, while it is served and after", async () => {
  await objects.createPod(served.pod("web-1"));
  const { nodePort } = await createWeb({ type: "NodePort" });
  const nodeAddress = served.addressOf("node-1");
  await untilAnsweredBy(["web-1"], outside, nodeAddress, nodePort);
  expect(await listeners(nodePort)).toEqual([]);
  await objects.deleteService("web");
  await untilOutcome("refused", outside, nodeAddress, nodePort);
  expect(await listeners(nodePort)).toEqual([]);
});

/** As Kubernetes' test asks: ss -ant46 'sport = :PORT' | grep LISTEN; and whatever takes UDP. */
async function listeners(port: number): Promise<string[]> {
  const sockets = ["-Hanut46", `sport = :${port}`];
  const { stdout } = await served.node("node-1").exec("ss", sockets);
  return stdout.split("\n").filter((line) => /LISTEN|UNCONN/.test(line));
}

it("an external IP that no node has answers Pods", async () => {
  await objects.createPod(served.pod("web-1"));
  await createWeb({ externalIPs: ["203.0.113.250"] });
  for (const client of [here, there]) await untilAnsweredBy(["web-1"], client, "203.0.113.250");
});

it("Pods in the host network are endpoints as any, on their own node too", async () => {
  for (const node of ["node-1", "node-2"] as const) {
    await objects.createPod(served.pod(node, { name: `host-${node}` }));
  }
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  for (const client of [here, there, host, await served.dialer("node-2")]) {
    await untilAnsweredBy(["node-1", "node-2"], client, address);
  }
  const atNode = served.addressOf("node-1");
  await untilAnsweredBy(["node-1", "node-2"], outside, atNode, nodePort);
});

it("a ServiceCIDR is added: its Services answer, its free addresses are dropped", async () => {
  const networking = served.plane.kubeConfig().makeApiClient(NetworkingV1Api);
  // Unlike that of an earlier try, which the API server may keep for a while.
  const name = `second-${addedCIDRs}`;
  const prefix = `10.97.${addedCIDRs}`;
  addedCIDRs += 1;
  const body = { metadata: { name }, spec: { cidrs: [`${prefix}.0/24`] } };
  await networking.createServiceCIDR({ body });
  onTestFinished(async () => void (await networking.deleteServiceCIDR({ name })));
  await objects.createPod(served.pod("web-1"));
  const clusterIP = `${prefix}.10`;
  await eventually("a Service of the second CIDR", LAG_MS, async () => {
    return createWeb({ clusterIP }).then(
      () => true,
      () => false,
    );
  });
  for (const client of [here, there, host]) await untilAnsweredBy(["web-1"], client, clusterIP);
  await untilOutcome("refused", here, clusterIP, 81);
  await untilOutcome("timeout", here, `${prefix}.99`);
  await objects.deleteService("web");
  await untilOutcome("timeout", here, clusterIP);
});

it("slices by hand: several ports in several slices, several addresses in several", async () => {
  const { address } = await createService("manual", {
    ports: [
      { name: "http", port: 80 },
      { name: "admin", port: 81 },
    ],
  });
  await createSlice("one", "http", 8080, served.addressOf("web-1"));
  await createSlice("two", "admin", 9090, served.addressOf("web-3"));
  await untilAnsweredBy(["web-1"], here, address);
  await untilAnsweredBy(["web-3"], here, address, 81);
  await createSlice("three", "http", 8080, served.addressOf("web-2"));
  await createSlice("four", "http", 8080, served.addressOf("web-4"));
  for (const client of [here, there]) {
    await untilAnsweredBy(["web-1", "web-2", "web-4"], client, address);
  }
  const { namespace } = objects;
  await objects.discovery.deleteNamespacedEndpointSlice({ name: "three", namespace });
  await untilAnsweredBy(["web-1", "web-4"], here, address);
});

async function createSlice(name: string, portName: string, port: number, ip: string) {
  await objects.discovery.createNamespacedEndpointSlice({
    namespace: objects.namespace,
    body: {
      metadata: { name, labels: { "kubernetes.io/service-name": "manual" } },
      addressType: "IPv4",
      ports: [{ name: portName, port, protocol: "TCP" }],
      endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    },
  });
}

it("large requests and answers pass", async () => {
  await objects.createPod(served.pod("web-1"));
  await objects.createPod(served.pod("web-3"));
  const { address } = await createWeb();
  await untilAnsweredBy(["web-1", "web-3"], here, address);
  const large = "0123456789".repeat(100_000);
  for (let tries = 0; tries < 6; tries += 1) {
    const held = await here.open(address, 80);
    expect((await held.echo(large, 5_000)) === large).toBe(true);
    await held.close();
  }
});

/**
 * A server that echoes. To each client it first sends five segments that are far out of their
 * connection's window, which conntrack calls INVALID: those that slip through untranslated would be
 * answered by the client with a reset (kubernetes#74839). TCP_REPAIR tells where the window is.
 */
const OUT_OF_WINDOW = `
import socket, struct
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECEIVED, SENT, OFF_WITHOUT_PROBE = 1, 2, -1
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
def next_numbers(client):
    numbers = []
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    for queue in (SENT, RECEIVED):
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(client.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, OFF_WITHOUT_PROBE)
    return numbers
server = socket.create_server(("0.0.0.0", 7777))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
print("listening", flush=True)
while True:
    client, (peer, port) = server.accept()
    here = client.getsockname()[0]
    sent, received = next_numbers(client)
    for number in range(1, 6):
        sequence = (sent + number * 2**28) % 2**32
        head = struct.pack("!HHIIBB", 7777, port, sequence, received, 5 << 4, 0x18)
        segment = head + struct.pack("!HHH", 512, 0, 0) + b"boom"
        pseudo = socket.inet_aton(here) + socket.inet_aton(peer)
        pseudo += struct.pack("!HH", 6, len(segment))
        total = struct.pack("!H", checksum(pseudo + segment))
        raw.sendto(segment[:16] + total + segment[18:], (peer, 0))
    while True:
        data = client.recv(65536)
        if not data:
            break
        client.sendall(data)
`;

it("packets out of a connection's window do not reset it", async () => {
  const pod = served.node("node-1").pod("web-1");
  const server = pod.spawn("python3", ["-c", OUT_OF_WINDOW]);
  onTestFinished(() => void server.kill());
  server.stderr?.pipe(process.stderr);
  await once(server.stdout as NodeJS.ReadableStream, "data");
  const { address } = await createService("manual", { ports: [{ name: "http", port: 80 }] });
  await createSlice("one", "http", 7777, pod.address);
  const before = await invalidCount();
  for (const client of [here, there, host]) {
    await eventually("a connection", LAG_MS, async () => {
      return client.open(address, 80).then(
        async (held) => {
          for (const text of ["boom?", "still there?"]) expect(await held.echo(text)).toBe(text);
          await held.close();
          return true;
        },
        () => false,
      );
    });
  }
  // Or nothing was tried.
  expect((await invalidCount()) - before).toBeGreaterThanOrEqual(15);
});

/** On node-1, of all processors; the file has hexadecimal numbers under a line of names. */
async function invalidCount(): Promise<number> {
  const { stdout } = await served.node("node-1").exec("cat", ["/proc/net/stat/nf_conntrack"]);
  const lines = stdout.trim().split("\n");
  const [names = [], ...processors] = lines.map((line) => line.trim().split(/\s+/));
  const column = names.indexOf("invalid");
  return processors.reduce((sum, numbers) => sum + Number.parseInt(numbers[column] ?? "0", 16), 0);
}
