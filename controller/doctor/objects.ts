// An object as the API or a YAML file has it → what the doctor examines. Pure.

import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import { serviceCIDRFromObject } from "../model/from-service-cidr.ts";
import { familyOf } from "../model/ip.ts";
import { listOf, recordOf, textOf, textsOf } from "../model/json.ts";
import type { EndpointSlice, IPFamily, ServiceCIDR } from "../model/types.ts";
import { podFromObject } from "../watch/manifests-pod.ts";
import { selectingServiceFrom } from "../watch/slices-from-pods.ts";
import { podTroubleFromObject } from "./pod-trouble.ts";
import { eventFromObject } from "./service-events.ts";
import type { DoctorNode, DoctorPod, DoctorService, DoctorSlice } from "./types.ts";

/**
 * By the plural of their kind, as the API names it: one object → what the doctor keeps of it, or
 * nothing if it has no name.
 */
export const READERS = {
  services: serviceOf,
  endpointslices: (json: unknown) => [sliceOf(json)],
  pods: podOf,
  nodes: nodeOf,
  servicecidrs: serviceCIDROf,
  events: eventFromObject,
} as const;

/** Wraps a slice that was computed from Pods, as the controller does where only Pods are given. */
export function computedSlice(slice: EndpointSlice): DoctorSlice {
  const { namespace, name, serviceName } = slice;
  return { slice, namespace, name, serviceName, managedBy: SLICE_CONTROLLER };
}

/** The value of managed-by on what the endpoint slice controller writes. */
export const SLICE_CONTROLLER = "endpointslice-controller.k8s.io";

function serviceOf(json: unknown): DoctorService[] {
  const { value: service, problems } = serviceFromObject(json);
  if (!service) return [];
  const { spec, status } = recordOf(json);
  const { externalName, ipFamilies } = recordOf(spec);
  const ingress = listOf(recordOf(recordOf(status).loadBalancer).ingress).map(recordOf);
  const families = listOf(ipFamilies).filter((each) => each === "IPv4" || each === "IPv6");
  return [
    {
      ...selectingServiceFrom(service, json),
      externalName: service.type === "ExternalName" ? textOf(externalName) : "",
      families: families.length > 0 ? (families as IPFamily[]) : service.clusterIPs.map(familyOf),
      ingress: ingress.map(({ ip, hostname }) => textOf(ip) || textOf(hostname)),
      problems,
    },
  ];
}

function sliceOf(json: unknown): DoctorSlice {
  const { metadata } = recordOf(json);
  const { namespace, name, labels } = recordOf(metadata);
  const texts = textsOf(labels);
  return {
    slice: endpointSliceFromObject(json).value,
    namespace: textOf(namespace) || "default",
    name: textOf(name),
    serviceName: texts["kubernetes.io/service-name"] ?? "",
    managedBy: texts["endpointslice.kubernetes.io/managed-by"] ?? "",
  };
}

function podOf(json: unknown): DoctorPod[] {
  const { value: pod } = podFromObject(json);
  return pod ? [{ pod, trouble: podTroubleFromObject(json) }] : [];
}

function nodeOf(json: unknown): DoctorNode[] {
  const { value: node } = nodeFromObject(json);
  if (!node) return [];
  const conditions = listOf(recordOf(recordOf(json).status).conditions).map(recordOf);
  const ready = conditions.find(({ type }) => type === "Ready");
  return [{ node, ready: ready === undefined || ready.status === "True" }];
}

function serviceCIDROf(json: unknown): ServiceCIDR[] {
  const { value } = serviceCIDRFromObject(json);
  return value ? [value] : [];
}
