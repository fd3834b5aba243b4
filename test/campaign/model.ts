// What the cluster is to be, and who must answer: the Services of the campaign, as data. The churn
// changes it, the API server is written from it, and the node is held to it. No I/O.
//
//    steady    pod-a here, pod-c there; never changes; a node port; TCP and UDP
//    sticky    session affinity over all Pods; never changes
//    rolling   its endpoints come and go; every Pod answers all the time, so that whom a change is
//              late for is still served
//    policy    internalTrafficPolicy goes to Local and back
//    fleeting  three that are made and deleted; TCP and UDP

import type { Family, PodName } from "../parity/lab.ts";
import { door, type KubernetesObject, service, slice } from "../parity/state.ts";

export const NODE_PORT = 30_080;
export const BACKENDS: readonly PodName[] = ["pod-a", "pod-b", "pod-c", "pod-d"];
const HERE: readonly PodName[] = ["pod-a", "pod-b"];
const FAMILIES: readonly Family[] = ["IPv4", "IPv6"];
const PORTS = [
  { name: "tcp", port: 80, protocol: "TCP", targetPort: 8080 },
  { name: "udp", port: 80, protocol: "UDP", targetPort: 8080 },
] as const;

export interface ModelService {
  name: string;
  /** Of its cluster IPs, unique. */
  number: number;
  exists: boolean;
  backends: readonly PodName[];
  isLocal: boolean;
  isSticky: boolean;
  nodePort?: number;
}

export type Model = Map<string, ModelService>;

export const FLEETING: readonly string[] = ["fleeting-1", "fleeting-2", "fleeting-3"];

export function firstModel(): Model {
  const plain = { exists: true, backends: BACKENDS, isLocal: false, isSticky: false };
  const services: ModelService[] = [
    { ...plain, name: "steady", number: 10, backends: ["pod-a", "pod-c"], nodePort: NODE_PORT },
    { ...plain, name: "sticky", number: 11, isSticky: true },
    { ...plain, name: "rolling", number: 12 },
    { ...plain, name: "policy", number: 13, backends: ["pod-a", "pod-c"] },
    ...FLEETING.map((name, index) => ({ ...plain, name, number: 20 + index, exists: false })),
  ];
  return new Map(services.map((each) => [each.name, each]));
}

/** IPv4, then IPv6. */
export function clusterIPs({ number }: ModelService): [string, string] {
  return [`10.96.1.${number}`, `fd00:96::1${number}`];
}

/** The Service and a slice for each family. */
export function objectsOf(each: ModelService): KubernetesObject[] {
  const { name, backends, isLocal, isSticky, nodePort } = each;
  const ips = clusterIPs(each);
  const owner = service(
    {
      type: nodePort === undefined ? "ClusterIP" : "NodePort",
      clusterIPs: ips,
      ipFamilies: [...FAMILIES],
      ipFamilyPolicy: "RequireDualStack",
      ports: PORTS.map((port) => ({ ...port, ...(nodePort === undefined ? {} : { nodePort }) })),
      internalTrafficPolicy: isLocal ? "Local" : "Cluster",
      sessionAffinity: isSticky ? "ClientIP" : "None",
    },
    { name },
  );
  const ports = PORTS.map(({ name: portName, protocol }) => ({
    name: portName,
    protocol,
    port: 8080,
  }));
  const slices = FAMILIES.map((family) => slice(backends, { service: name, family, ports }));
  return [owner, ...slices];
}

/** Who may answer a client on node-1, as the agents call themselves; empty: it is not there. */
export function expectedOf({ exists, backends, isLocal }: ModelService): string[] {
  if (!exists) return [];
  const eligible = isLocal ? backends.filter((pod) => HERE.includes(pod)) : backends;
  return eligible.map((pod) => `${pod}:8080`).sort();
}

/** "10.96.1.10:80/TCP", …, of all that exist: what kernel and table must have, sorted. */
export function frontendsOf(model: Model): string[] {
  const all = [...model.values()].filter(({ exists }) => exists);
  const keys = all.flatMap((each) =>
    clusterIPs(each).flatMap((ip) =>
      ["TCP", "UDP"].map((protocol) => `${door(ip, 80)}/${protocol}`),
    ),
  );
  return keys.sort();
}
