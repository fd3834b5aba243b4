import { beforeEach, expect, it } from "vitest";
import type { Resource } from "./protos.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import { UdpPublisher } from "./udp-publisher.ts";
import type { UdpCluster, UdpListener, UdpTarget } from "./udp-target.ts";

const CAPTURE: Resource = { "@type": LISTENER_TYPE, name: "capture" };

/** What Envoy was told, as "listeners 3", "clusters 1", "admit 7"; the capture listener counts. */
let told: string[];
let publisher: UdpPublisher;

beforeEach(() => {
  told = [];
  const names = new Map([
    [LISTENER_TYPE, "listeners"],
    [CLUSTER_TYPE, "clusters"],
  ]);
  publisher = new UdpPublisher({
    xds: {
      set: async (type, resources) => {
        if (names.has(type)) told.push(`${names.get(type)} ${resources.length}`);
        return { envoys: 1 };
      },
      admitListeners: async (id) => {
        told.push(`admit ${id}`);
        return { envoys: 1 };
      },
    },
    ...{ clusters: [], port: 15404, flowLimit: 1 },
  });
  publisher.keepListeners([CAPTURE]);
});

function targetOf(count: number): UdpTarget {
  const numbers = Array.from({ length: count }, (_, index) => index);
  const listeners = numbers.map((index): [string, UdpListener] => {
    const place = { frontend: `10.96.0.1:${index}/UDP`, address: "240.0.0.1" };
    const service = { service: "test/many" as const, portName: "", kind: "keep" as const };
    const rest = { idleTimeoutSeconds: 35, hasAffinity: false, cluster: `c${index}` };
    return [`l${index}`, { name: `l${index}`, ...place, ...service, ...rest }];
  });
  const clusters = numbers.map((index): [string, UdpCluster] => {
    const backend = { address: "10.1.1.1", port: index, local: true };
    const name = `c${index}`;
    return [name, { name, hasAffinity: false, backends: [backend], leaving: [] }];
  });
  return { listeners: new Map(listeners), clusters: new Map(clusters) };
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
