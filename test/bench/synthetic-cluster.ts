// Numbers → the Kubernetes objects of a cluster that is as large, as the API server would send
// them, or as the store of the controller that holds them. The same numbers give the same objects.

import { ClusterState } from "../../controller/model/cluster-state.ts";
import { endpointSliceFromObject } from "../../controller/model/from-endpoint-slice.ts";
import { nodeFromObject } from "../../controller/model/from-node.ts";
import { serviceFromObject } from "../../controller/model/from-service.ts";
import { serviceCIDRFromObject } from "../../controller/model/from-service-cidr.ts";
import type { Parsed } from "../../controller/model/json.ts";
import type { EndpointSlice, Service } from "../../controller/model/types.ts";

export const NODE_NAME = "node-1";
/** Holds all cluster IPs of synthetic Services. */
const SERVICE_CIDR = "10.96.0.0/12";
/** The first are left to Services that are really dialled. */
const FIRST_SERVICE_ADDRESS = 256;
const SERVICES_PER_NAMESPACE = 100;
export const NODES = 100;

export interface ClusterSize {
  services: number;
  endpointsEach: number;
}

/** Who serves a Service, and where; the port of the Service is 80. */
interface NamedService {
  namespace: string;
  name: string;
  clusterIP: string;
  targetPort: number;
  addresses: readonly string[];
}

/** A store that holds the whole cluster, all kinds synced. */
export function syntheticState(
  size: ClusterSize,
  more: readonly NamedService[] = [],
): ClusterState {
  const state = new ClusterState();
  const services = [...syntheticServices(size), ...more];
  state.replaceAll("Node", [parsed(nodeFromObject(nodeObject()))]);
  state.replaceAll("ServiceCIDR", [parsed(serviceCIDRFromObject(serviceCIDRObject()))]);
  state.replaceAll("Service", services.map(serviceOf));
  state.replaceAll("EndpointSlice", services.map(endpointSliceOf));
  return state;
}

function serviceOf(service: NamedService): Service {
  return parsed(serviceFromObject(serviceObject(service)));
}

/** As the store holds it. */
export function endpointSliceOf(service: NamedService): EndpointSlice {
  return parsed(endpointSliceFromObject(endpointSliceObject(service)));
}

function parsed<T>({ value, problems }: Parsed<T>): T {
  const [problem] = problems;
  if (value === undefined || problem) throw new Error(`${problem?.object}: ${problem?.message}`);
  return value;
}

export function* syntheticServices({ services, endpointsEach }: ClusterSize) {
  for (let index = 0; index < services; index++) yield syntheticService(index, endpointsEach);
}

/** `revision` replaces the first endpoint by another. */
export function syntheticService(index: number, endpointsEach: number, revision = 0): NamedService {
  const first = index * endpointsEach;
  const addresses = Array.from({ length: endpointsEach }, (_, n) => podAddress(first + n));
  if (revision > 0) addresses[0] = `172.16.${(revision >> 8) & 0xff}.${revision & 0xff}`;
  return {
    namespace: `team-${Math.floor(index / SERVICES_PER_NAMESPACE)}`,
    name: `service-${index}`,
    clusterIP: address(0x0a60_0000 + FIRST_SERVICE_ADDRESS + index),
    targetPort: 8080,
    addresses,
  };
}

/** In 10.128.0.0/9: no address of the test's own Pods. */
export function podAddress(index: number): string {
  return address(0x0a80_0000 + 1 + index);
}

function address(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}

export function serviceObject({ namespace, name, clusterIP }: NamedService): object {
  const labels = { "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": namespace };
  return {
    kind: "Service",
    apiVersion: "v1",
    metadata: {
      ...metadata(namespace, name, "kubectl-client-side-apply"),
      labels,
    },
    spec: {
      ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: "http" }],
      selector: { "app.kubernetes.io/name": name },
      clusterIP,
      clusterIPs: [clusterIP],
      type: "ClusterIP",
      sessionAffinity: "None",
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      internalTrafficPolicy: "Cluster",
    },
    status: { loadBalancer: {} },
  };
}

export function endpointSliceObject(service: NamedService): object {
  const { namespace, name, targetPort, addresses } = service;
  return {
    kind: "EndpointSlice",
    apiVersion: "discovery.k8s.io/v1",
    metadata: {
      ...metadata(namespace, `${name}-x7k2p`, "kube-controller-manager"),
      labels: {
        "app.kubernetes.io/name": name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name,
      },
      annotations: { "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z" },
    },
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: targetPort }],
    endpoints: addresses.map((each, index) => ({
      addresses: [each],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${2 + (index % NODES)}`,
      zone: `zone-${index % 3}`,
      targetRef: {
        kind: "Pod",
        namespace,
        name: `${name}-5d4f8c7b9-${index}`,
        uid: `00000000-0000-4000-8000-${each.replaceAll(".", "").padStart(12, "0")}`,
      },
    })),
  };
}

/** With what a server adds and a proxy has no use for. */
function metadata(namespace: string, name: string, manager: string): object {
  return {
    namespace,
    name,
    uid: `00000000-0000-4000-8000-${name.replace(/\D/g, "").padStart(12, "0")}`,
    resourceVersion: "1000",
    creationTimestamp: "2026-01-01T00:00:00Z",
    managedFields: [
      {
        manager,
        operation: "Update",
        apiVersion: "v1",
        time: "2026-01-01T00:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: { "f:metadata": { "f:labels": { ".": {}, "f:app.kubernetes.io/name": {} } } },
      },
    ],
  };
}

export function nodeObject(): object {
  return {
    kind: "Node",
    apiVersion: "v1",
    metadata: {
      name: NODE_NAME,
      resourceVersion: "1000",
      labels: { "topology.kubernetes.io/zone": "zone-0" },
    },
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
  };
}

export function serviceCIDRObject(): object {
  return {
    kind: "ServiceCIDR",
    apiVersion: "networking.k8s.io/v1",
    metadata: { name: "kubernetes", resourceVersion: "1000" },
    spec: { cidrs: [SERVICE_CIDR] },
  };
}
