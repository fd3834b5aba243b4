// Services, EndpointSlices and Nodes in the shapes that public charts, operators, distributions and
// tools give them (in words and names of our own): the loader of manifests has nothing against any,
// and the frontends are those that Kubernetes' documentation says. What an API server would choose
// (cluster IPs, node ports) is chosen here.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ClusterState } from "../../controller/model/cluster-state.ts";
import type { Problem } from "../../controller/model/types.ts";
import { NodeFollower } from "../../controller/node/follow-cluster.ts";
import type { Frontend } from "../../controller/node/types.ts";
import { systemClock } from "../../controller/system/clock.ts";
import { ManifestsSource } from "../../controller/watch/manifests.ts";
import { manifestFileFromText, manifestItems } from "../../controller/watch/manifests-file.ts";

const FILES = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".yaml"));
const NODE = { name: "node-1", addresses: ["192.0.2.1", "2001:db8::1"] };

interface Port {
  name?: string | null;
  port: number;
  protocol?: string | null;
  nodePort?: number | null;
}

/** As it stands in the files; only what is asked of it below. */
interface Shape {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec: {
    type?: string | null;
    clusterIP?: string | null;
    clusterIPs?: string[] | null;
    externalIPs?: string[];
    ports?: Port[] | null;
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; ipMode?: string }[] } };
  addressType?: string;
  endpoints?: { conditions?: { ready?: boolean } | null }[] | null;
  ports?: Port[] | null;
}

function textOf(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}

function shapesIn(name: string): Shape[] {
  return manifestItems(name, textOf(name), []).map(({ json }) => json as Shape);
}

const OURS: Readonly<Record<string, string>> = {
  Service: "v1",
  Node: "v1",
  ServiceCIDR: "networking.k8s.io/v1",
  EndpointSlice: "discovery.k8s.io/v1",
};
const shapes = FILES.flatMap(shapesIn).filter(({ apiVersion, kind }) => OURS[kind] === apiVersion);
const services = shapes.filter(({ kind }) => kind === "Service");

/** Chooses what is left open, as an API server does. */
function allocate(): void {
  let next = 0;
  for (const { spec } of services) {
    if (spec.type === "ExternalName" || spec.clusterIP === "None") continue;
    next += 1;
    if (!spec.clusterIP) spec.clusterIP = `10.96.200.${next}`;
    if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") continue;
    for (const [index, port] of (spec.ports ?? []).entries()) {
      port.nodePort ||= 32_000 + next * 8 + index;
    }
  }
}

/** "address:port/protocol" of each, from the object alone. */
function frontendsOf({ metadata, spec, status }: Shape): string[] {
  const isOthers = metadata.labels?.["service.kubernetes.io/service-proxy-name"] !== undefined;
  if (isOthers || spec.type === "ExternalName" || spec.clusterIP === "None") return [];
  const clusterIPs = spec.clusterIPs ?? [spec.clusterIP ?? ""];
  const isOutside = spec.type === "NodePort" || spec.type === "LoadBalancer";
  const balancers = (status?.loadBalancer?.ingress ?? [])
    .filter(({ ip, ipMode }) => ip !== undefined && ipMode !== "Proxy")
    .map(({ ip = "" }) => ip);
  const isServed = (address: string) =>
    clusterIPs.some((ip) => ip.includes(":") === address.includes(":"));
  const vips = [...clusterIPs, ...(spec.externalIPs ?? []), ...balancers].filter(isServed);
  return (spec.ports ?? []).flatMap(({ port, protocol, nodePort }) => {
    if (protocol === "SCTP") return [];
    const nodes = isOutside ? NODE.addresses.filter(isServed) : [];
    return [
      ...vips.map((address) => written(address, port, protocol)),
      ...nodes.map((address) => written(address, nodePort ?? 0, protocol)),
    ];
  });
}

function written(address: string, port: number, protocol: string | null | undefined): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${port}/${protocol ?? "TCP"}`;
}

/** Whether a slice has a ready endpoint for the frontend's port. */
function hasEndpoint({ namespace, service, portName, protocol, family }: Frontend): boolean {
  return shapes.some(({ kind, metadata, addressType, endpoints, ports }) => {
    const of = metadata.labels?.["kubernetes.io/service-name"];
    if (kind !== "EndpointSlice" || of !== service || addressType !== family) return false;
    if ((metadata.namespace ?? "default") !== namespace) return false;
    const isReady = endpoints?.some(({ conditions }) => conditions?.ready !== false) ?? false;
    const known = ports?.map((port) => `${port.name ?? ""}/${port.protocol ?? "TCP"}`) ?? [];
    return isReady && known.includes(`${portName}/${protocol}`);
  });
}

let directory: string;
let frontends: readonly Frontend[];
let problems: readonly Problem[];

beforeAll(async () => {
  allocate();
  directory = mkdtempSync(join(tmpdir(), "portico-shapes-"));
  const list = { apiVersion: "v1", kind: "List", items: shapes };
  writeFileSync(join(directory, "all.json"), JSON.stringify(list));
  const state = new ClusterState();
  const source = new ManifestsSource({
    directory,
    sink: state,
    clock: systemClock,
    debounceMs: 0,
    rescanMs: 2 ** 30,
    reportProblems: (found) => {
      problems = found;
    },
    note: () => {},
  });
  await source.start();
  await source.stop();
  const nodeOptions = { nodeName: NODE.name, serviceProxyName: undefined, serviceCIDRs: [] };
  frontends = new NodeFollower(state, nodeOptions).update().upserted;
});

afterAll(() => rmSync(directory, { recursive: true }));

it("are at least a hundred", () => {
  expect(services.length).toBeGreaterThan(70);
  expect(shapes.length).toBeGreaterThanOrEqual(100);
});

it.each(FILES)("nothing is wrong with %s, as it is and as Windows writes it", (name) => {
  for (const text of [textOf(name), `\uFEFF${textOf(name).replaceAll("\n", "\r\n")}`]) {
    const file = manifestFileFromText(name, text);
    expect(file.problems).toEqual([]);
    expect(file.objects?.length).toBeGreaterThan(0);
  }
});

it("have no problem once the API server's choices are made", () => {
  expect(problems).toEqual([]);
});

it.each(services.map((service) => [service.metadata.name, service] as const))(
  "the frontends of %s",
  (name, service) => {
    const namespace = service.metadata.namespace ?? "default";
    const own = frontends.filter((each) => each.namespace === namespace && each.service === name);
    expect(own.map(({ key }) => key).sort()).toEqual(frontendsOf(service).sort());
  },
);

it("have backends where a slice has them", () => {
  const served = frontends.filter(({ backends }) => backends.length > 0).map(({ key }) => key);
  expect(served.length).toBeGreaterThan(5);
  expect(served).toEqual(frontends.filter(hasEndpoint).map(({ key }) => key));
});
