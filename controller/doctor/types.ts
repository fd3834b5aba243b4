// What the doctor examines, and what it finds. Plain data.

import type {
  EndpointSlice,
  IPFamily,
  Node,
  ObjectKey,
  Problem,
  Service,
  ServiceCIDR,
  ServicePort,
} from "../model/types.ts";
import type { Pod } from "../watch/manifests-pod.ts";
import type { FindingCode } from "./codes.ts";

/**
 * error: connections of some clients fail. warning: they may fail, or something does not happen as
 * intended. note: good to know. ok: examined, and well.
 */
export type Level = "error" | "warning" | "note" | "ok";

export interface Finding {
  level: Level;
  code: FindingCode;
  /** The Service it is about; empty: the cluster, or this node. */
  service: ObjectKey;
  /** One line in plain words. */
  text: string;
  /** The command that shows it. */
  command: string;
}

export interface DoctorService {
  service: Service;
  /** As in SelectingService. */
  targetPortOf: (port: ServicePort) => number | string;
  /** spec.externalName; empty unless the type is ExternalName. */
  externalName: string;
  /** spec.ipFamilies, or those of its cluster IPs. */
  families: readonly IPFamily[];
  /** Hostnames and addresses of status.loadBalancer.ingress, unchanged. */
  ingress: readonly string[];
  /** What is wrong with the object itself. */
  problems: readonly Problem[];
}

export interface DoctorSlice {
  /** Undefined for one that no proxy reads: addressType FQDN. */
  slice: EndpointSlice | undefined;
  namespace: string;
  name: string;
  /** Label kubernetes.io/service-name; empty when it is missing. */
  serviceName: string;
  /** Label endpointslice.kubernetes.io/managed-by; empty when it is missing. */
  managedBy: string;
}

/** Why a Pod is not ready: a code as in Finding, and the same words for the same cause. */
export interface PodTrouble {
  code: FindingCode;
  text: string;
}

export interface DoctorPod {
  pod: Pod;
  /** Undefined when the Pod is ready. */
  trouble: PodTrouble | undefined;
}

export interface DoctorNode {
  node: Node;
  /** Its condition Ready; true when it is missing. */
  ready: boolean;
}

/** A list is undefined when it could not be read; the findings then do without it. */
export interface DoctorCluster {
  services: readonly DoctorService[];
  slices: readonly DoctorSlice[];
  pods: readonly DoctorPod[] | undefined;
  nodes: readonly DoctorNode[] | undefined;
  serviceCIDRs: readonly ServiceCIDR[] | undefined;
}
