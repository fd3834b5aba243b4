// One Service with everything that concerns it, put together from the lists. Pure.

import { objectKey } from "../model/cluster-state.ts";
import type { EndpointSlice, ObjectKey, Service, ServicePort } from "../model/types.ts";
import type { FindingCode } from "./codes.ts";
import { type LabelGroup, labelGroups } from "./near-labels.ts";
import type {
  DoctorCluster,
  DoctorPod,
  DoctorService,
  DoctorSlice,
  Finding,
  Level,
} from "./types.ts";

/** The lists, with indexes for repeated lookups. */
export interface IndexedCluster extends DoctorCluster {
  podsByNamespace: ReadonlyMap<string, readonly DoctorPod[]>;
  /** By namespace and label: "shop app=web". */
  podsByLabel: ReadonlyMap<string, readonly DoctorPod[]>;
  /** Of the Pods that have not finished; made at the first call. */
  labelGroups(): readonly LabelGroup[];
  slicesByService: ReadonlyMap<ObjectKey, readonly DoctorSlice[]>;
}

export interface ServiceCase extends DoctorService {
  cluster: IndexedCluster;
  key: ObjectKey;
  /** "app=web,tier=front"; empty: it has no selector, or an empty one, which means the same. */
  selectorText: string;
  /**
   * The Pods that its selector matches, except finished ones; sorted by name. Undefined when Pods
   * could not be read, or when there is no selector.
   */
  pods: readonly DoctorPod[] | undefined;
  finishedPods: readonly DoctorPod[];
  slices: readonly DoctorSlice[];
  find(level: Level, code: FindingCode, text: string, command: string): Finding;
}

/**
 * Returns the lists with their indexes. The groups of labels, which take the longest, are made when
 * a finding first needs them.
 */
export function indexed(cluster: DoctorCluster): IndexedCluster {
  const podsByLabel = new Map<string, DoctorPod[]>();
  const pods = cluster.pods ?? [];
  let groups: LabelGroup[] | undefined;
  for (const each of pods) {
    for (const label of Object.entries(each.pod.labels)) {
      const key = labelKey(each.pod.namespace, label);
      const others = podsByLabel.get(key);
      if (others) others.push(each);
      else podsByLabel.set(key, [each]);
    }
  }
  const key = ({ namespace, serviceName }: DoctorSlice) => `${namespace}/${serviceName}`;
  return {
    ...cluster,
    podsByLabel,
    labelGroups: () => {
      groups ??= labelGroups(pods.map(({ pod }) => pod).filter(({ terminal }) => !terminal));
      return groups;
    },
    podsByNamespace: Map.groupBy(pods, ({ pod }) => pod.namespace),
    slicesByService: Map.groupBy(cluster.slices, key),
  };
}

/**
 * Returns one Service with its Pods and slices. `pods` is undefined, not empty, where nothing is
 * known about them.
 */
export function serviceCase(of: DoctorService, cluster: IndexedCluster): ServiceCase {
  const { service } = of;
  const key = objectKey(service);
  const pairs = Object.entries(service.selector ?? {}).map((pair) => pair.join("="));
  const selectorText = pairs.sort().join(",");
  const isKnown = cluster.pods !== undefined && selectorText !== "";
  const matched = isKnown ? selectedPods(service, cluster) : [];
  matched.sort((a, b) => (a.pod.name < b.pod.name ? -1 : 1));
  return {
    ...of,
    cluster,
    key,
    selectorText,
    pods: isKnown ? matched.filter(({ pod }) => !pod.terminal) : undefined,
    finishedPods: matched.filter(({ pod }) => pod.terminal),
    slices: cluster.slicesByService.get(key) ?? [],
    find: (level, code, text, command) => ({ level, code, service: key, text, command }),
  };
}

function labelKey(namespace: string, [key, value]: [string, string]): string {
  return `${namespace} ${key}=${value}`;
}

/** Returns the Pods that a selector matches; the selector is not empty. */
function selectedPods(service: Service, { podsByLabel }: IndexedCluster): DoctorPod[] {
  const pairs = Object.entries(service.selector ?? {});
  const lists = pairs.map((pair) => podsByLabel.get(labelKey(service.namespace, pair)) ?? []);
  const [shortest = []] = lists.sort((a, b) => a.length - b.length);
  return shortest.filter(({ pod }) => {
    return pairs.every(
      ([key, value]) => Object.hasOwn(pod.labels, key) && pod.labels[key] === value,
    );
  });
}

/** Returns the slices that a proxy reads, and DNS too where the Service is headless. */
export function readSlices({ slices, service }: ServiceCase): EndpointSlice[] {
  const readable = slices.flatMap(({ slice }) => slice ?? []);
  return service.headless ? readable : readable.filter(({ headlessLabel }) => !headlessLabel);
}

/** "http (80/TCP)", "80/TCP" */
export function portText({ name, port, protocol }: ServicePort): string {
  return name === "" ? `${port}/${protocol}` : `${name} (${port}/${protocol})`;
}

/** "3 Pods", "1 Pod" */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Returns the first few, and how many more there are. */
export function some(texts: readonly string[], shown = 3): string {
  const more = texts.length - shown;
  const listed = texts.slice(0, shown).join(", ");
  return more > 0 ? `${listed} and ${more} more` : listed;
}
