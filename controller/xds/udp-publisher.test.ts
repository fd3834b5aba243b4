import { beforeEach, expect, it } from "vitest";
import { fixedTarget } from "../../test/stand-ins/udp-targets.ts";
import { XdsRejectedError } from "./errors.ts";
import type { Resource } from "./protos.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import { UdpPublisher } from "./udp-publisher.ts";
import type { UdpCluster, UdpListener, UdpTarget } from "./udp-target.ts";

const CAPTURE: Resource = { "@type": LISTENER_TYPE, name: "capture" };

/** What Envoy was sent, as "listeners 3", "clusters 1", "admit 7"; the capture listener counts. */
let told: string[];
/** The limit of flows in each cluster that Envoy has, by the cluster's name. */
let limits: Map<unknown, number>;
/** The listener that Envoy refuses. */
let bad: string | undefined;
let publisher: UdpPublisher;

beforeEach(() => {
  told = [];
  limits = new Map();
  bad = undefined;
  const names = new Map([
    [LISTENER_TYPE, "listeners"],
    [CLUSTER_TYPE, "clusters"],
  ]);
  const present = new Map<string, Set<unknown>>();
  const setTo = (type: string, all: Set<unknown>) => {
    present.set(type, all);
    if (names.has(type)) told.push(`${names.get(type)} ${all.size}`);
    if (bad !== undefined && type === LISTENER_TYPE && all.has(bad)) {
      throw new XdsRejectedError(type, [bad], `${bad}: cannot bind`);
    }
    return { envoys: 1 };
  };
  publisher = new UdpPublisher({
    xds: {
      set: async (type, resources) => {
        if (type === CLUSTER_TYPE) limits = new Map(resources.map(limitIn));
        return setTo(type, new Set(resources.map(({ name }) => name)));
      },
      change: async (type, upserts, removals) => {
        const all = present.get(type) ?? new Set();
        for (const name of removals) all.delete(name);
        if (type === CLUSTER_TYPE) {
          for (const name of removals) limits.delete(name);
          for (const cluster of upserts) limits.set(...limitIn(cluster));
        }
        for (const { name } of upserts) all.add(name);
        return setTo(type, all);
      },
      admitListeners: async (id) => {
        told.push(`admit ${id}`);
        return { envoys: 1 };
      },
    },
    clusters: [],
    port: 15404,
    flowLimit: (clusters) => 64 / 2 ** Math.ceil(Math.log2(Math.max(1, clusters))),
  });
  publisher.keepListeners([CAPTURE]);
});

function limitIn(cluster: Resource): [unknown, number] {
  const { name, circuit_breakers: breakers } = cluster as unknown as {
    name: string;
    circuit_breakers: { thresholds: { max_connections: { value: number } }[] };
  };
  return [name, breakers.thresholds[0]?.max_connections.value ?? Number.NaN];
}

function targetOf(count: number): UdpTarget {
  const numbers = Array.from({ length: count }, (_, index) => index);
  const listeners = numbers.map((index): [string, UdpListener] => {
    const place = { frontend: `10.96.0.1:${index}/UDP`, address: "240.0.0.1" };
    const service = { service: "test/many" as const, portName: "", kind: "keep" as const };
    const rest = {
      keepsSource: true,
      idleTimeoutSeconds: 35,
      hasAffinity: false,
      cluster: `c${index}`,
    };
    return [`l${index}`, { name: `l${index}`, ...place, ...service, ...rest }];
  });
  const clusters = numbers.map((index): [string, UdpCluster] => {
    const backend = { address: "10.1.1.1", port: index, local: true };
    const name = `c${index}`;
    return [name, { name, hasAffinity: false, backends: [backend], leaving: [] }];
  });
  return fixedTarget({ listeners: new Map(listeners), clusters: new Map(clusters) });
}

it("adds thousands part by part, so that Envoy answers in between", async () => {
  await publisher.add(targetOf(1), [7], true);
  expect(told).toEqual(["clusters 1", "listeners 2", "admit 7"]);
  told.length = 0;
  await publisher.add(targetOf(1_201), []);
  expect(told.filter((each) => each.startsWith("clusters"))).toEqual(
    [501, 1001, 1201].map((count) => `clusters ${count}`),
  );
  expect(told.filter((each) => each.startsWith("listeners"))).toEqual(
    [502, 1002, 1202].map((count) => `listeners ${count}`),
  );
  told.length = 0;
  await publisher.removeOthers(targetOf(1));
  expect(told).toEqual(["listeners 2", "clusters 1"]);
});

it("lets an Envoy that came anew in before it gets thousands", async () => {
  await publisher.add(targetOf(700), [7], true);
  expect(told.slice(0, 2)).toEqual(["listeners 1", "admit 7"]);
  expect(told.slice(-3)).toEqual(["listeners 501", "listeners 701", "admit 7"]);
});

it("takes nothing from an Envoy that has thousands from an earlier controller", async () => {
  await publisher.add(targetOf(1_200), []);
  expect(told).toEqual(["clusters 1200", "listeners 1201"]);
});

it("takes nothing from one that has not acknowledged yet what it was sent", async () => {
  const target = targetOf(1_200);
  await publisher.add(target, []);
  told.length = 0;
  publisher.keepListeners([CAPTURE, { ...CAPTURE, name: "other" }]);
  await publisher.add(target, [7], false);
  expect(told).toEqual(["listeners 1202", "admit 7"]);
});

it("lets clusters share the flows, by their number", async () => {
  const seen: string[] = [];
  for (const count of [1, 3, 4, 5, 4, 3, 2, 1]) {
    await publisher.add(targetOf(count), []);
    await publisher.removeOthers(targetOf(count));
    expect(new Set(limits.values()).size).toBe(1);
    seen.push(`${limits.size} x ${limits.get("c0")}`);
  }
  expect(seen).toEqual([
    "1 x 64",
    "3 x 16",
    "4 x 16",
    "5 x 8",
    "4 x 16",
    "3 x 16",
    "2 x 32",
    "1 x 64",
  ]);
});

it("gives a new listener its cluster that only a refused one led to before", async () => {
  const { listeners, clusters } = targetOf(2);
  const live = new Map(listeners);
  let changed: string[] | undefined;
  const target: UdpTarget = {
    listeners: live,
    clusters,
    takeChanges: () => changed && { listeners: changed, clusters: [] },
  };
  const step = async () => {
    await publisher.add(target, []);
    changed = [];
    await publisher.removeOthers(target);
  };
  bad = "l1";
  await step();
  await step();
  expect([...limits.keys()]).toEqual(["c0"]);
  live.set("l2", { ...(listeners.get("l1") as UdpListener), name: "l2" });
  changed = ["l2"];
  await step();
  await step();
  expect([...limits.keys()]).toEqual(["c0", "c1"]);
  live.delete("l2");
  changed = ["l2"];
  await step();
  expect([...limits.keys()]).toEqual(["c0"]);
});
