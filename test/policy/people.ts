// Who is there, in test/parity's lab: clients in one namespace, backends in another, each backend
// behind a Service of its own.
//
//    node-1  client-1 (blue)   pod-a  behind 10.96.0.10, 203.0.113.10, local: 203.0.113.11
//    node-2  client-2 (green)  pod-c  behind 10.96.0.20, 203.0.113.20, local: 203.0.113.21
//
// and behind fd00:96::10 and the like, by Services of IPv6.

import {
  addressOf,
  type ClientName,
  type Family,
  type NodeName,
  nodeOf,
  type PodName,
} from "../parity/lab.ts";
import {
  type Dial,
  door,
  ingress,
  type KubernetesObject,
  type Protocol,
  pod,
} from "../parity/state.ts";

export const CLIENTS_NAMESPACE = "clients";
export const WEB_NAMESPACE = "parity";

interface BackendFacts {
  pod: PodName;
  node: NodeName;
  family: Family;
  clusterIP: string;
  loadBalancer: string;
  /** With externalTrafficPolicy Local. */
  localLoadBalancer: string;
  nodePort: number;
}

const PREFIXES: Readonly<
  Record<Family, { clusterIP: string; external: string; nodePort: number }>
> = {
  IPv4: { clusterIP: "10.96.0.", external: "203.0.113.", nodePort: 30000 },
  IPv6: { clusterIP: "fd00:96::", external: "fd00:203::", nodePort: 31000 },
};

const PLACES = [
  { pod: "pod-a", node: "node-1", number: 10 },
  { pod: "pod-c", node: "node-2", number: 20 },
] as const;

const BACKENDS: readonly BackendFacts[] = (["IPv4", "IPv6"] as const).flatMap((family) => {
  const { clusterIP, external, nodePort } = PREFIXES[family];
  return PLACES.map(({ number, ...place }) => ({
    ...place,
    family,
    clusterIP: `${clusterIP}${number}`,
    nodePort: nodePort + number,
    loadBalancer: `${external}${number}`,
    localLoadBalancer: `${external}${number + 1}`,
  }));
});

/** Who dials; the last are no Pods. */
const CLIENTS: readonly ClientName[] = [
  ...(["client-1", "client-2", "pod-a"] as const),
  ...(["node-1", "node-2", "outside"] as const),
];

/** Whom no policy is about but the marks (enforcer.ts): one on each node. */
export const BYSTANDERS: readonly PodName[] = ["pod-b", "pod-d"];

export function everybody(): KubernetesObject[] {
  const named = (name: PodName, namespace: string, labels: Record<string, string>) => {
    const object = pod(name);
    // By which kube-router knows the Pods of its node.
    const hostIP = addressOf(nodeOf(name));
    const metadata = { name, namespace, labels: { ...labels, name } };
    return { ...object, metadata, status: { ...object.status, hostIP } };
  };
  return [
    named("client-1", CLIENTS_NAMESPACE, { team: "blue" }),
    named("client-2", CLIENTS_NAMESPACE, { team: "green" }),
    ...PLACES.map(({ pod: name }) => named(name, WEB_NAMESPACE, { app: "web" })),
    ...BYSTANDERS.map((name) => named(name, WEB_NAMESPACE, { app: "bystander" })),
    ...BACKENDS.flatMap(services),
  ];
}

export function everyPod(): KubernetesObject[] {
  return everybody().filter(({ kind }) => kind === "Pod");
}

function services(facts: BackendFacts): KubernetesObject[] {
  const { pod: name, family, clusterIP, nodePort, ...at } = facts;
  const selector = { app: "web", name };
  const ipFamilies = [family];
  const port = (protocol: Protocol, number: number) => ({
    name: protocol.toLowerCase(),
    port: 80,
    targetPort: 8080,
    protocol,
    nodePort: number,
  });
  const service = (suffix: string, own: { ip: string; nodePort: number; spec: object }) => ({
    apiVersion: "v1",
    kind: "Service" as const,
    metadata: { name: `${name}-${family.toLowerCase()}${suffix}`, namespace: WEB_NAMESPACE },
    spec: {
      type: "LoadBalancer",
      selector,
      ipFamilies,
      ports: (["TCP", "UDP"] as const).map((protocol) => port(protocol, own.nodePort)),
      ...own.spec,
    },
    status: ingress(own.ip),
  });
  return [
    service("", { ip: at.loadBalancer, nodePort, spec: { clusterIP } }),
    service("-local", {
      ip: at.localLoadBalancer,
      nodePort: nodePort + 1,
      spec: { externalTrafficPolicy: "Local" },
    }),
  ];
}

/** What a client dials, and what that is. */
export interface PolicyDial extends Dial {
  /** "cluster IP", "node port", "load balancer", "load balancer, Local", "Pod" */
  frontend: string;
  backend: PodName;
}

export function dials(family: Family): PolicyDial[] {
  const ofFamily = BACKENDS.filter((facts) => facts.family === family);
  const all = ofFamily.flatMap(({ pod: backend, node, clusterIP, nodePort, ...at }) =>
    Object.entries({
      "cluster IP": door(clusterIP, 80),
      "node port": door(addressOf("node-1", family), nodePort),
      "load balancer": door(at.loadBalancer, 80),
      "load balancer, Local": door(at.localLoadBalancer, 80),
      Pod: door(addressOf(backend, family), 8080),
    }).map(([frontend, to]) => ({ frontend, to, backend, node })),
  );
  return CLIENTS.flatMap((from) =>
    all
      .filter(({ node, frontend }) => isReachable(from, node, frontend))
      .flatMap(({ frontend, to, backend }) =>
        (["TCP", "UDP"] as const).map((protocol) => ({ from, to, protocol, frontend, backend })),
      ),
  );
}

/**
 * Outside has no route to Pods, and reaches load balancers through node-1, which has no local
 * backend of the second.
 */
function isReachable(from: ClientName, node: NodeName, frontend: string): boolean {
  if (from !== "outside") return true;
  return frontend !== "Pod" && !(node === "node-2" && frontend === "load balancer, Local");
}
