// The plan → objects for the API server: the nodes, and for each scenario a Service without a
// selector with its one slice. Pure.

import type { ApiObject } from "../latency/api.ts";
import { NAMESPACE, serviceObject, sliceObject } from "../latency/objects.ts";
import { NODE_NAMES, PODS, type PodName } from "./plan.ts";

export { PORT, TARGET_PORT } from "../latency/objects.ts";

const ZONE = "zone-1";

export interface HealingService {
  name: string;
  clusterIP: string;
}

export function namespaceObject(): ApiObject {
  return { kind: "Namespace", metadata: { name: NAMESPACE } };
}

/** The status goes to the API server by itself. */
export function nodeObjects(): (ApiObject & { status: object })[] {
  return NODE_NAMES.map((name, index) => ({
    kind: "Node",
    metadata: { name },
    status: {
      addresses: [{ type: "InternalIP", address: `192.0.2.${index + 1}` }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  }));
}

export function serviceOf(service: HealingService): ApiObject {
  return serviceObject(service);
}

/** Of a Service that these Pods serve; all are ready. */
export function sliceOf(service: HealingService, pods: readonly PodName[]): ApiObject {
  const endpoints = pods.map((name) => {
    const { address, node } = PODS[name];
    return { address, node, zone: ZONE };
  });
  return sliceObject(service, endpoints);
}
