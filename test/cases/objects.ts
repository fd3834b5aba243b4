// Short ways to write the Kubernetes objects of the cases. They add what every such object has, and
// no more: the cases rely on the defaults of the API.

import type { Connection, KubernetesObject, Served } from "./case.ts";
import { type ClientName, nodeOf, type PodName, podAddress } from "./topology.ts";

/** A Service "web" at 10.96.0.10, unless spec or metadata say otherwise. */
export function service(spec: object = {}, metadata: object = {}): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "shop", ...metadata },
    spec: { clusterIP: "10.96.0.10", ports: [{ port: 80 }], ...spec },
  };
}

interface Ready {
  ready?: boolean;
  serving?: boolean;
  terminating?: boolean;
}

/** Conditions of an endpoint that is going but still answers; and of one that does not any more. */
export const TERMINATING: Ready = { ready: false, serving: true, terminating: true };
export const GONE: Ready = { ready: false, serving: false, terminating: true };
export const UNREADY: Ready = { ready: false, serving: false, terminating: false };

export function endpoint(pod: PodName, conditions?: Ready, hints?: object): object {
  return {
    addresses: [podAddress(pod)],
    nodeName: nodeOf(pod),
    ...(conditions && { conditions }),
    ...(hints && { hints }),
  };
}

/** A slice of "web" with port 8080, unless `fields` say otherwise. */
export function slice(endpoints: readonly (PodName | object)[], fields: SliceFields = {}) {
  const { serviceName = "web", name = `${serviceName}-1`, labels, ...rest } = fields;
  const own = { "kubernetes.io/service-name": serviceName };
  const object: KubernetesObject = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels: { ...own, ...labels } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: endpoints.map((each) => (typeof each === "string" ? endpoint(each) : each)),
    ...rest,
  };
  return object;
}

interface SliceFields {
  name?: string;
  serviceName?: string;
  labels?: Record<string, string>;
  addressType?: string;
  ports?: readonly object[];
}

/** "10.1.1.10:8080" */
export function at(pod: PodName, port = 8080): string {
  return `${podAddress(pod)}:${port}`;
}

/** status.loadBalancer of a Service, as a cloud writes it. */
export function withIngress(
  object: KubernetesObject,
  ...ingress: readonly object[]
): KubernetesObject {
  return { ...object, status: { loadBalancer: { ingress } } };
}

export function connection(from: ClientName, to: string, expect: Connection["expect"]): Connection {
  return { from, to, expect };
}

export function datagram(from: ClientName, to: string, expect: Connection["expect"]): Connection {
  return { from, to, protocol: "UDP", expect };
}

export function keptBy(...backends: string[]): Served {
  return { backends, source: "client" };
}

export function masqueradedTo(...backends: string[]): Served {
  return { backends, source: "node" };
}

/** Each client always finds the same one of them. */
export function oneOf(served: Served): Served {
  return { ...served, affinity: true };
}
