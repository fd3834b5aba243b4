// The kinds of change whose cost is measured one by one. Each has objects of its own, which are
// there before it begins; its steps lead back to where they began.

import { setTimeout as delay } from "node:timers/promises";
import { NODE_NAME } from "../synthetic-cluster.ts";
import type { Api, ApiObject } from "./api.ts";
import { type Endpoint, remoteEndpoint, serviceObject, sliceObject } from "./objects.ts";
import { WEB } from "./world.ts";

type Step = (api: Api) => Promise<void>;

export interface Kind {
  objects: readonly ApiObject[];
  steps: readonly Step[];
  /** In one step; 1 by default. */
  changes?: number;
  /** How often all steps are done in a turn; as often as for the other kinds by default. */
  repeats?: number;
}

const LOCAL: readonly Endpoint[] = Object.values(WEB).map((address) => {
  return { address, node: NODE_NAME, zone: "zone-1" };
});
/** No endpoint of the cluster's Services has such a number. */
const FIRST_ENDPOINT = 1_000_000;
const ROLLOUT = { pods: 500, seconds: 30 };
const SLICE = 100;
const LARGE = 5_000;

/** By the name that --kinds takes. To add one: a line here. */
export const KINDS: Readonly<Record<string, () => Kind>> = {
  local: () => alternating("local", LOCAL.slice(0, 1), LOCAL.slice(1)),
  remote: () => alternating("remote", remote(10), [...remote(9), ...remote(1, 10)]),
  service: () => madeAndDeleted(),
  "first-last": () => alternating("first-last", [], LOCAL.slice(0, 1)),
  "external-ip": () => respecified("external-ip", { externalIPs: ["203.0.113.5"] }, NO_ADDRESSES),
  "node-port": () => respecified("node-port", { type: "NodePort" }, CLUSTER_IP),
  policy: () =>
    respecified("policy", { internalTrafficPolicy: "Local" }, { internalTrafficPolicy: "Cluster" }),
  hints: () => alternating("hints", remote(10), hinted(remote(10)), PREFER_CLOSE),
  "node-label": () => labelled({ "example.com/rack": "7" }, { "example.com/rack": null }),
  zone: () => labelled(zoneLabel("zone-0"), zoneLabel("zone-1")),
  udp: () => alternating("udp", LOCAL.slice(0, 1), LOCAL.slice(1), { protocol: "UDP" }),
  hundred: () => alternating("hundred", remote(SLICE), remote(SLICE, SLICE)),
  large: () => large(),
  rollout: () => rollout(),
};

const NO_ADDRESSES = { externalIPs: null };
const CLUSTER_IP = { type: "ClusterIP" };
const PREFER_CLOSE = { spec: { trafficDistribution: "PreferClose" } };

function remote(count: number, first = 0): Endpoint[] {
  const number = (place: number) => FIRST_ENDPOINT + first + place;
  return Array.from({ length: count }, (_, place) => remoteEndpoint(number(place)));
}

function hinted(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.map((endpoint) => ({ ...endpoint, forZones: [endpoint.zone] }));
}

/** Each kind's Service has an address of its own, though only one is there at a time. */
function sketchOf(name: string, more: object = {}) {
  const number = 20 + Object.keys(KINDS).indexOf(name);
  return { name: `kind-${name}`, clusterIP: `10.96.0.${number}`, ...more };
}

function alternating(
  name: string,
  first: readonly Endpoint[],
  second: readonly Endpoint[],
  more: object = {},
): Kind {
  const sketch = sketchOf(name, more);
  const [before, after] = [sliceObject(sketch, first), sliceObject(sketch, second)];
  return {
    objects: [serviceObject(sketch), before],
    steps: [(api) => api.replace(after), (api) => api.replace(before)],
  };
}

function respecified(name: string, there: object, back: object): Kind {
  const sketch = sketchOf(name);
  const service = serviceObject(sketch);
  return {
    objects: [service, sliceObject(sketch, remote(10))],
    steps: [
      (api) => api.patch(service, { spec: there }),
      (api) => api.patch(service, { spec: back }),
    ],
  };
}

function madeAndDeleted(): Kind {
  const sketch = sketchOf("service");
  const objects = [serviceObject(sketch), sliceObject(sketch, remote(10))];
  const each = (write: (api: Api, object: ApiObject) => Promise<void>) => async (api: Api) => {
    for (const object of objects) await write(api, object);
  };
  return {
    objects: [],
    steps: [each((api, object) => api.create(object)), each((api, object) => api.remove(object))],
  };
}

function labelled(there: object, back: object): Kind {
  const node = { kind: "Node", metadata: { name: NODE_NAME } };
  const step = (labels: object) => (api: Api) => api.patch(node, { metadata: { labels } });
  return { objects: [], steps: [step(there), step(back)] };
}

function zoneLabel(zone: string): object {
  return { "topology.kubernetes.io/zone": zone };
}

/** Slices of 100. */
function sliced(sketch: ReturnType<typeof sketchOf>, endpoints: readonly Endpoint[]): ApiObject[] {
  const parts = Math.ceil(endpoints.length / SLICE);
  return Array.from({ length: parts }, (_, part) =>
    sliceObject(sketch, endpoints.slice(part * SLICE, (part + 1) * SLICE), part),
  );
}

/** One endpoint of many. */
function large(): Kind {
  const sketch = sketchOf("large");
  const slices = sliced(sketch, remote(LARGE));
  const [before] = slices as [ApiObject];
  const after = sliceObject(sketch, [...remote(1, LARGE), ...remote(SLICE - 1, 1)]);
  return {
    objects: [serviceObject(sketch), ...slices],
    steps: [(api) => api.replace(after), (api) => api.replace(before)],
  };
}

/** All Pods of a Service are replaced, one after the other; the cost is that of one. */
function rollout(): Kind {
  const sketch = sketchOf("rollout");
  const { pods, seconds } = ROLLOUT;
  const [old, fresh] = [remote(pods), remote(pods, pods)];
  const replaceAll = async (api: Api) => {
    const begun = performance.now();
    for (let replaced = 1; replaced <= pods; replaced++) {
      const part = Math.floor((replaced - 1) / SLICE);
      const endpoints = [...fresh.slice(0, replaced), ...old.slice(replaced)];
      await api.replace(sliced(sketch, endpoints)[part] as ApiObject);
      await delay(Math.max(0, begun + (replaced * seconds * 1_000) / pods - performance.now()));
    }
  };
  return {
    objects: [serviceObject(sketch), ...sliced(sketch, old)],
    steps: [replaceAll],
    changes: pods,
    repeats: 1,
  };
}
