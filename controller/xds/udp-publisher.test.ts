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
/** How often Envoy was sent each cluster that it has, by the cluster's name. */
let clusters: Map<unknown, number>;
/** The listener that Envoy refuses. */
let bad: string | undefined;
let publisher: UdpPublisher;

beforeEach(() => {
  told = [];
  clusters = new Map();
  const sendCluster = ({ name }: Resource) => clusters.set(name, (clusters.get(name) ?? 0) + 1);
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
        if (type === CLUSTER_TYPE) resources.forEach(sendCluster);
        return setTo(type, new Set(resources.map(({ name }) => name)));
      },
      change: async (type, upserts, removals) => {
        const all = present.get(type) ?? new Set();
        for (const name of removals) all.delete(name);
        if (type === CLUSTER_TYPE) {
          for (const name of removals) clusters.delete(name);
          upserts.forEach(sendCluster);
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
    flowLimit: 1,
  });
  publisher.keepListeners([CAPTURE]);
});

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

it("sends no cluster again because others come or go, which would end its flows", async () => {
  const all = targetOf(9);
  for (const count of [1, 3, 9, 4, 2]) {
    const target = fixedTarget({
      listeners: new Map([...all.listeners].slice(0, count)),
      clusters: new Map([...all.clusters].slice(0, count)),
    });
    await publisher.add(target, []);
    await publisher.removeOthers(target);
  }
  expect([...clusters]).toEqual([
    ["c0", 1],
    ["c1", 1],
  ]);
});

it("gives a new listener its cluster that only a refused one led to before", async () => {
  const { listeners, clusters: all } = targetOf(2);
  const live = new Map(listeners);
  let changed: string[] | undefined;
  const target: UdpTarget = {
    listeners: live,
    clusters: all,
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
  expect([...clusters.keys()]).toEqual(["c0"]);
  live.set("l2", { ...(listeners.get("l1") as UdpListener), name: "l2" });
  changed = ["l2"];
  await step();
  await step();
  expect([...clusters.keys()]).toEqual(["c0", "c1"]);
  live.delete("l2");
  changed = ["l2"];
  await step();
  expect([...clusters.keys()]).toEqual(["c0"]);
});
