// A seed → a state with a few Services of all kinds, and probes of their front doors. Everything
// comes from the seed: the same one gives the same state for ever, unless this file changes.
//
// `tags` is what may be probed: what is switched off is not drawn either where it would take the
// probes of a Service with it.

import { Chance } from "./chance.ts";
import { addressOf, BACKENDS, type Family, NODES as NODE_FACTS, nameOfAddress } from "./lab.ts";
import {
  CLIENTS,
  type ClientList,
  door,
  doorFrom,
  type Endpoint,
  type EndpointFacts,
  endpoint,
  GONE,
  ingress,
  type KubernetesObject,
  type Probe,
  type Protocol,
  type ServiceSpec,
  type State,
  sequence,
  service,
  slice,
  spread,
  TERMINATING,
  UNREADY,
} from "./state.ts";
import { isCompared, type Tag } from "./tags.ts";

const ZONES = ["zone-a", "zone-b", "zone-c"];
const NODES = NODE_FACTS.map(({ name }) => name);
const RANGES = ["192.0.2.200/32", "192.0.2.0/24", "10.1.1.0/24", "10.1.0.0/16", "fd00:2::/64"];
const PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";
const MOST_PROBES = 40;
const CLIENTS_OF_A_DOOR = 4;
const SEQUENCE_LENGTH = 5;

interface Port {
  name: string;
  port: number;
  protocol: Protocol;
  targetPort: number;
  nodePort?: number;
}

/** What the parts of one Service are drawn from. */
interface Draw {
  chance: Chance;
  may: (tag: Tag) => boolean;
  /** Makes names and addresses differ. */
  index: number;
}

export function generateState(seed: number, tags: readonly Tag[]): State {
  const chance = new Chance(seed);
  const may = (tag: Tag) => tags.includes(tag);
  const objects: KubernetesObject[] = [];
  const probes: Probe[] = [];
  for (let index = 1; index <= chance.between(2, 4); index++) {
    const drawn = drawService({ chance, may, index });
    objects.push(...drawn.objects);
    probes.push(...drawn.probes);
  }
  const comparable = probes.filter((probe) => isCompared(probe, objects, tags));
  const some = chance.some(comparable, MOST_PROBES);
  return { name: `seed ${seed}`, steps: [{ objects, probes: some }] };
}

function drawService(draw: Draw): { objects: KubernetesObject[]; probes: Probe[] } {
  const { chance, index } = draw;
  const name = `svc-${index}`;
  const families = drawFamilies(draw);
  const type = chance.pick(["ClusterIP", "NodePort", "LoadBalancer"]);
  const ports = drawPorts(draw, type !== "ClusterIP");
  const spec: ServiceSpec = {
    type,
    ...addressing(families, index),
    ports,
    ...drawPolicies(draw, type),
    ...drawExternal(draw, type),
  };
  const labels = chance.happens(0.05) ? { [PROXY_NAME_LABEL]: "another" } : {};
  const balanced = type === "LoadBalancer" && chance.happens(0.7) ? drawIngress(draw) : {};
  const owner = service(spec, { name, labels, ...balanced });
  const slices = families.flatMap((family) => drawSlices(draw, owner, family, ports));
  return { objects: [owner, ...slices], probes: drawProbes(draw, owner, ports) };
}

function drawFamilies({ chance, may }: Draw): Family[] {
  if (!may("ipv6")) return ["IPv4"];
  return chance.pick<Family[]>([["IPv4"], ["IPv6"], ["IPv4", "IPv6"]]);
}

function addressing(families: readonly Family[], index: number): ServiceSpec {
  const ips = { IPv4: `10.96.1.${index}`, IPv6: `fd00:96::1${index}` };
  return {
    clusterIPs: families.map((family) => ips[family]),
    ipFamilies: families,
    ipFamilyPolicy: families.length === 2 ? "RequireDualStack" : "SingleStack",
  };
}

function drawPorts({ chance, may, index }: Draw, withNodePorts: boolean): Port[] {
  const numbers = chance.some([80, 443, 8080], chance.between(1, 2));
  return numbers.map((port, portIndex) => ({
    name: `port-${port}`,
    port,
    protocol: may("udp") && chance.happens(0.35) ? "UDP" : "TCP",
    targetPort: chance.pick([8080, 8081, 9090]),
    ...(withNodePorts ? { nodePort: 30_100 + 10 * index + portIndex } : {}),
  }));
}

function drawPolicies({ chance, may }: Draw, type: string): ServiceSpec {
  const spec: ServiceSpec = {};
  if (chance.happens(0.3)) spec.internalTrafficPolicy = "Local";
  const canBeLocal = type !== "ClusterIP" && may("policies");
  if (canBeLocal && chance.happens(0.5)) spec.externalTrafficPolicy = "Local";
  if (may("affinity") && chance.happens(0.25)) spec.sessionAffinity = "ClientIP";
  return spec;
}

function drawExternal({ chance, index }: Draw, type: string): ServiceSpec {
  const spec: ServiceSpec = {};
  if (chance.happens(0.3)) spec.externalIPs = [`203.0.113.${100 + index}`];
  if (type === "LoadBalancer" && chance.happens(0.4)) {
    spec.loadBalancerSourceRanges = chance.some(RANGES, chance.between(1, 2));
  }
  return spec;
}

function drawIngress({ chance, index }: Draw): { status: object } {
  const ipMode = chance.happens(0.2) ? "Proxy" : "VIP";
  return { status: ingress({ ip: `203.0.113.${150 + index}`, ipMode }) };
}

/** None, one or two for each port number that the ports lead to. */
function drawSlices(
  { chance }: Draw,
  { metadata, spec }: KubernetesObject,
  family: Family,
  ports: readonly Port[],
): KubernetesObject[] {
  const count = chance.happens(0.1) ? 0 : chance.between(1, 2);
  const listed = ports.map(({ name, targetPort, protocol }) => ({
    name,
    port: targetPort,
    protocol,
  }));
  const endpoints = drawEndpoints(chance, spec?.sessionAffinity === "ClientIP");
  return Array.from({ length: count }, (_, index) => {
    const share = endpoints.filter((__, position) => position % count === index);
    const name = `${metadata.name}-${family.toLowerCase()}-${index}`;
    return slice(share, { service: metadata.name, name, family, ports: listed });
  });
}

/** Pods in the host network see other sources, so that they would tell whom a client sticks to. */
function drawEndpoints(chance: Chance, isSticky: boolean) {
  const hinting = chance.pick(["none", "none", "zones", "nodes", "both"]);
  const who: Endpoint[] = chance.some(BACKENDS, chance.between(0, BACKENDS.length));
  if (chance.happens(0.08) && !isSticky) who.push(chance.pick(NODES));
  return who.map((each) => endpoint(each, drawFacts(chance, hinting)));
}

function drawFacts(chance: Chance, hinting: string): EndpointFacts {
  const luck = chance.number();
  const conditions =
    luck < 0.7 ? { ready: true } : luck < 0.82 ? TERMINATING : luck < 0.9 ? GONE : UNREADY;
  const forgotten = chance.happens(0.08);
  const zoneHints = chance.some(ZONES, chance.between(1, 2));
  const nodeHints = chance.some(NODES, chance.between(1, 2));
  return {
    conditions,
    ...(!forgotten && ["zones", "both"].includes(hinting) ? { zoneHints } : {}),
    ...(!forgotten && ["nodes", "both"].includes(hinting) ? { nodeHints } : {}),
  };
}

/** Of every front door, from some clients. */
function drawProbes({ chance }: Draw, owner: KubernetesObject, ports: readonly Port[]): Probe[] {
  if (owner.spec?.sessionAffinity === "ClientIP") {
    return ports.flatMap((port) => drawSequences(chance, owner, port));
  }
  return ports.flatMap((port) => {
    const doors = doorsOf(owner, port);
    const clients = doors.map(() => chance.some(CLIENTS, CLIENTS_OF_A_DOOR));
    return doors.flatMap((to, index) => spread([to], clients[index], port.protocol));
  });
}

/** One of each client: at the same time, two would not know which of them is the first. */
function drawSequences(chance: Chance, owner: KubernetesObject, port: Port): Probe[] {
  const isLocal = owner.spec?.externalTrafficPolicy === "Local";
  return CLIENTS.flatMap((from) => {
    const to = chance.pick(doorsOf(owner, port));
    if (isLocal && !clientsOf(to).includes(from)) return [];
    return [sequence(from, Array(SEQUENCE_LENGTH).fill(to), { protocol: port.protocol })];
  });
}

/**
 * Of a node port with policy Local, Pods of other nodes reach some backends and others not (see
 * intended-differences.ts, "bypassing-reply"): with affinity, chance decides between the two.
 */
function clientsOf(to: string): ClientList {
  const dialled = nameOfAddress(doorFrom(to).address);
  if (!NODES.some((node) => node === dialled)) return CLIENTS;
  const pods = NODE_FACTS.filter(({ name }) => name !== dialled).flatMap((node) => node.pods);
  return CLIENTS.filter((client) => !pods.some((pod) => pod === client));
}

function doorsOf({ spec = {}, status }: KubernetesObject, { port, nodePort }: Port): string[] {
  const addresses: string[] = [...(spec.clusterIPs ?? []), ...(spec.externalIPs ?? [])];
  for (const { ip } of status?.loadBalancer?.ingress ?? []) addresses.push(ip);
  const doors = addresses.flatMap((address) => [door(address, port), door(address, 9999)]);
  if (nodePort === undefined) return doors;
  const families: Family[] = ["IPv4", "IPv6"];
  const nodes = families.flatMap((family) =>
    (["node-1", "node-2"] as const).map((node) => door(addressOf(node, family), nodePort)),
  );
  return [...doors, ...nodes];
}
