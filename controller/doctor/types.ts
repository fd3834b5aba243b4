// What the doctor looks at, and what it finds. Plain data.

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
 * error: connections fail, of somebody. warning: they may, or not all that was meant happens. note:
 * good to know. ok: looked at, and well.
 */
export type Level = "error" | "warning" | "note" | "ok";

export interface Finding {
  level: Level;
  code: FindingCode;
  /** The Service it is about; empty: the cluster, or this node. */
  service: ObjectKey;
  /** One line of plain words. */
  text: string;
  /** What to type to see it oneself. */
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
  /** Hostnames and addresses of status.loadBalancer.ingress, as they stand there. */
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
  /** Label endpointslice.kubernetes.io/managed-by; empty: nobody says so. */
  managedBy: string;
}

/** Why a Pod is not ready: a code as in Finding, words that are the same for the same cause. */
export interface PodTrouble {
  code: FindingCode;
  text: string;
}

export interface DoctorPod {
  pod: Pod;
  /** Of one that is not ready; undefined of one that is. */
  trouble: PodTrouble | undefined;
}

export interface DoctorNode {
  node: Node;
  /** Its condition Ready; true when nobody says so. */
  ready: boolean;
}

/** A list is undefined when it could not be read; the findings then do without. */
export interface DoctorCluster {
  services: readonly DoctorService[];
  slices: readonly DoctorSlice[];
  pods: readonly DoctorPod[] | undefined;
  nodes: readonly DoctorNode[] | undefined;
  serviceCIDRs: readonly ServiceCIDR[] | undefined;
}
