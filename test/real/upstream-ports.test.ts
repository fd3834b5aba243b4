// A Pod's own connections to an endpoint, and those that Envoy makes in its name to the same one,
// from the same ports: the node is left with no others to choose from. On a real kernel.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const FIRST_PORT = 50_000;
const PORTS = Array.from({ length: 16 }, (_, index) => FIRST_PORT + index);
const EARLY_DEMUX = "net.ipv4.tcp_early_demux";
/** Each has a Service of its own, in each family; each is for one case. */
const BACKENDS = ["direct-first", "service-first", "early-demux", "no-zone"] as const;
type Backend = (typeof BACKENDS)[number];
const FAMILIES = ["IPv4", "IPv6"] as const;
type Family = (typeof FAMILIES)[number];
const PROTOCOLS = ["TCP", "UDP"] as const;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let client: Dialer;

beforeAll(async () => {
  const pods = Object.fromEntries(BACKENDS.map((name) => [name, "auto"]));
  cluster = await makeCluster({
    nodes: [
      { name: "node-1", pods: { client: "auto" } },
      { name: "node-2", pods },
    ],
    dualStack: true,
  });
  node = cluster.node("node-1");
  await Promise.all(BACKENDS.map((name) => podOf(name).serve({ tcp: 8080, udp: 8080 })));
  const range = `net.ipv4.ip_local_port_range=${FIRST_PORT} ${FIRST_PORT + PORTS.length - 1}`;
  await node.exec("sysctl", ["-qw", range]);
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address), ...BACKENDS.flatMap(objectsOf)]);
  await portico.start(["--service-cidr", "10.96.0.0/16", "--service-cidr", "fd00:96::/112"]);
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

const podOf = (name: Backend) => cluster.node("node-2").pod(name);
const ofFamily = (addresses: readonly string[], family: Family) =>
  addresses[FAMILIES.indexOf(family)] as string;

function clusterIP(name: Backend, family: Family): string {
  const prefix = ofFamily(["10.96.0.", "fd00:96::"], family);
  return `${prefix}${10 + BACKENDS.indexOf(name)}`;
}

function objectsOf(name: Backend) {
  return FAMILIES.flatMap((family) =>
    PROTOCOLS.flatMap((protocol) =>
      serviceObjects({
        name: `${name}-${family}-${protocol}`.toLowerCase(),
        clusterIP: clusterIP(name, family),
        endpoints: [ofFamily(podOf(name).addresses, family)],
        protocol,
        nodeName: "node-2",
      }),
    ),
  );
}

type Opened = (HeldConnection | undefined)[];

/** One connection from each of the ports. */
function openDirect(name: Backend, family: Family): Promise<Opened> {
  const to = ofFamily(podOf(name).addresses, family);
  return allOf(PORTS.map((localPort) => client.open(to, 8080, { localPort })));
}

/** As many through the Service. */
function openService(name: Backend, family: Family): Promise<Opened> {
  return allOf(PORTS.map(() => client.open(clusterIP(name, family), 80)));
}

async function allOf(opening: Promise<HeldConnection>[]): Promise<Opened> {
  const results = await Promise.allSettled(opening);
  return results.map((each) => (each.status === "fulfilled" ? each.value : undefined));
}

/** How many of them carry data both ways. */
async function alive(connections: Opened): Promise<number> {
  const echoed = connections.map(async (each) => (await each?.echo("are you there")) !== undefined);
  const results = await Promise.allSettled(echoed);
  return results.filter((each) => each.status === "fulfilled" && each.value).length;
}

const ALL = { direct: PORTS.length, service: PORTS.length };

/** How many live, of connections from every port that were there before those of the Service. */
async function directFirst(name: Backend, family: Family) {
  const direct = await openDirect(name, family);
  expect(await alive(direct)).toBe(ALL.direct);
  const service = await openService(name, family);
  return { service: await alive(service), direct: await alive(direct) };
}

describe.each(FAMILIES)("in %s", (family) => {
  it("a Service is reached beside connections from all ports, which live on", async () => {
    expect(await directFirst("direct-first", family)).toEqual(ALL);
  });

  it("an endpoint is reached beside the Service's connections, which live on", async () => {
    const service = await openService("service-first", family);
    expect(await alive(service)).toBe(ALL.service);
    const direct = await openDirect("service-first", family);
    expect({ direct: await alive(direct), service: await alive(service) }).toEqual(ALL);
  });
});

/** How many datagrams are answered, one from each of the ports. */
function askDirectly(name: Backend, family: Family): Promise<number> {
  const to = ofFamily(podOf(name).addresses, family);
  return answered(PORTS.map((localPort) => client.dialOnce(to, 8080, { ...UDP, localPort })));
}

/** The same through the Service: fewer, for Envoy keeps a port until a flow is over. */
function askService(name: Backend, family: Family): Promise<number> {
  return answered(
    Array.from({ length: FLOWS }, () => client.dialOnce(clusterIP(name, family), 80, UDP)),
  );
}

const UDP = { protocol: "UDP", timeoutMs: 1_000 } as const;
const FLOWS = 2;

async function answered(asked: Promise<DialResult>[]): Promise<number> {
  return (await Promise.all(asked)).filter(({ outcome }) => outcome === "answered").length;
}

describe.each(FAMILIES)("datagrams in %s", (family) => {
  it("are answered through a Service beside flows from all ports, which go on", async () => {
    expect(await askDirectly("direct-first", family)).toBe(PORTS.length);
    expect(await askService("direct-first", family)).toBe(FLOWS);
    expect(await askDirectly("direct-first", family)).toBe(PORTS.length);
  });

  it("are answered by an endpoint beside flows through the Service", async () => {
    expect(await askService("service-first", family)).toBe(FLOWS);
    expect(await askDirectly("service-first", family)).toBe(PORTS.length);
  });
});

// That the cases above would fail without what they are about. The controller would put it back.
it.each(FAMILIES)("early demux would take from the Pod what is for it, in %s", async (family) => {
  await portico.end("SIGKILL");
  await node.exec("sysctl", ["-qw", `${EARLY_DEMUX}=1`]);
  expect(await directFirst("early-demux", family)).toEqual({ direct: 0, service: ALL.service });
  await node.exec("sysctl", ["-qw", `${EARLY_DEMUX}=0`]);
});

it.each(FAMILIES)("without the zone no Service would be reached, in %s", async (family) => {
  await portico.end("SIGKILL");
  await node.exec("nft", ["flush chain inet portico to_backends"]);
  expect(await directFirst("no-zone", family)).toMatchObject({ service: 0 });
  expect(await askDirectly("no-zone", family)).toBe(PORTS.length);
  expect(await askService("no-zone", family)).toBe(0);
});

it("is undone by cleanup", async () => {
  expect((await portico.command("cleanup")).stdout).toContain(`${EARLY_DEMUX} = 0, which was 1`);
  expect((await node.exec("sysctl", ["-n", EARLY_DEMUX])).stdout.trim()).toBe("1");
});
