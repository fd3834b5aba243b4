// Objects of a cluster in few words, for the cases of `portico doctor`: a Service of one port, Pods
// as a kubelet would report them, EndpointSlices written by hand.

import type { FindingCode } from "../../controller/doctor/codes.ts";
import type { Level } from "../../controller/doctor/types.ts";

export type Json = Record<string, unknown>;

export interface BrokenService {
  /** Of the case: part of its namespace's name. */
  name: string;
  /** Without a namespace, but for those that are to be in another: it is "other". */
  objects: Json[];
  level: Level;
  code: FindingCode;
  says: RegExp;
  /** Absent: both runners. */
  only?: "api" | "manifests";
}

/** Every case asks about the Service of this name. */
export const ASKED = "web";
export const NODES = ["node-1", "node-2"] as const;
/** Its kubelet was not heard of for a while. */
export const LOST_NODE = "node-lost";

const APP = { app: "web" };
const HTTP = { name: "http", containerPort: 8080 };

let addresses = 0;

export function service(spec: Json = {}, name = ASKED, status: Json = {}): Json {
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  const all = { selector: APP, ports, ...spec };
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: all, status };
}

interface PodParts {
  name?: string;
  labels?: Json;
  namespace?: string;
  container?: Json;
  spec?: Json;
  status?: Json;
}

/** Ready unless its status says otherwise. */
export function pod(parts: PodParts = {}): Json {
  addresses += 1;
  const { name = `web-${addresses}`, labels = APP, namespace, container, spec, status } = parts;
  const podIP = `10.1.9.${addresses}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels, ...(namespace && { namespace }) },
    spec: {
      nodeName: NODES[addresses % 2],
      containers: [{ name: "main", image: "shop/web", ports: [HTTP], ...container }],
      ...spec,
    },
    status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions: READY, ...status },
  };
}

const READY = [{ type: "Ready", status: "True" }];
export const UNREADY = [{ type: "Ready", status: "False", reason: "ContainersNotReady" }];
export const UNADDRESSED = { podIP: null, podIPs: null };

export function waiting(reason: string, message: string, more: Json = {}): Json {
  const state = { waiting: { reason, message } };
  return { containerStatuses: [containerStatus({ state, ...more })], conditions: UNREADY };
}

export function containerStatus(more: Json): Json {
  return {
    name: "main",
    image: "shop/web",
    imageID: "",
    ready: false,
    restartCount: 0,
    ...more,
  };
}

export function slice(
  parts: { labels?: Json; name?: string; ports?: Json[]; endpoint?: Json } = {},
): Json {
  const labels = parts.labels ?? { "kubernetes.io/service-name": ASKED };
  const ports = parts.ports ?? [{ name: "http", port: 8080, protocol: "TCP" }];
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: parts.name ?? "web-by-hand", labels },
    addressType: "IPv4",
    ports,
    endpoints: [{ addresses: ["10.9.9.9"], conditions: { ready: true }, ...parts.endpoint }],
  };
}

/** On a slice that the endpoint slice controller wrote. */
export const BY_CONTROLLER = {
  "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
};
