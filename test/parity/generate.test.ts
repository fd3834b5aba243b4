// Generated states, and what tags they need.

import { expect, it } from "vitest";
import { notEmpty } from "../not-empty.ts";
import { generateState } from "./generate.ts";
import { sampleOf } from "./sample.ts";
import { doorFrom, type ServiceSpec, service, spread } from "./state.ts";
import { GROUPS } from "./states/groups.ts";
import { isCompared, TAGS, type Tag, tagsOf } from "./tags.ts";

const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1);

it("the same seed gives the same state, another one another", () => {
  expect(generateState(7, TAGS)).toEqual(generateState(7, TAGS));
  expect(generateState(7, TAGS)).not.toEqual(generateState(8, TAGS));
});

it("probes only what may be compared", () => {
  let probed = 0;
  for (const seed of SEEDS) {
    const tags: readonly Tag[] = ["tcp4", "policies"];
    for (const { objects, probes } of notEmpty(generateState(seed, tags).steps, "steps")) {
      probed += probes.length;
      expect(probes.filter((probe) => !isCompared(probe, objects, tags))).toEqual([]);
    }
  }
  expect(probed).toBeGreaterThan(SEEDS.length);
});

it("draws every ability that there is to draw", () => {
  const all = SEEDS.flatMap((seed) => generateState(seed, TAGS).steps);
  const tags = new Set(all.flatMap(({ objects, probes }) => probes.map((p) => tagsOf(p, objects))));
  const drawn = ["tcp4", "udp", "ipv6", "affinity", "policies", "external", "loadbalancer"];
  expect([...tags].flat()).toEqual(expect.arrayContaining([...drawn, "masquerade"]));
});

it("finds the tags of a probe", () => {
  const spec = {
    clusterIPs: ["10.96.0.10", "fd00:96::10"],
    externalIPs: ["203.0.113.10"],
    externalTrafficPolicy: "Local",
    ports: [{ port: 80, nodePort: 30_080 }],
  };
  const tags = (to: string, from: "client-1" | "outside" = "client-1", spec_: ServiceSpec = spec) =>
    spread([to], [from]).map((probe) => tagsOf(probe, [service(spec_)]))[0];
  expect(tags("10.96.0.10:80")).toEqual(["tcp4"]);
  expect(tags("10.96.0.10:80", "outside")).toEqual(["tcp4", "masquerade"]);
  expect(tags("[fd00:96::10]:80")).toEqual(["ipv6"]);
  expect(tags("192.0.2.1:30080")).toEqual(["tcp4", "policies"]);
  expect(tags("192.0.2.1:30081")).toEqual(["tcp4"]);
  expect(tags("203.0.113.10:80", "outside")).toEqual(["tcp4", "policies", "external"]);
  const sticky = { ...spec, sessionAffinity: "ClientIP" };
  expect(tags("10.96.0.10:80", "client-1", sticky)).toEqual(["tcp4", "affinity"]);
});

it("hand-written states have names of their own within a group, and probes", () => {
  for (const [group, states] of notEmpty(Object.entries(GROUPS), "groups")) {
    const names = states.map(({ name }) => name);
    expect(new Set(names).size, group).toBe(names.length);
    for (const { steps, name } of notEmpty(states, `states of ${group}`)) {
      for (const { probes } of notEmpty(steps, `steps of ${group}: ${name}`)) {
        expect(probes, `${group}: ${name}`).not.toEqual([]);
      }
    }
  }
});

it("takes doors apart", () => {
  expect(doorFrom("10.96.0.10:80")).toEqual({ address: "10.96.0.10", port: 80 });
  expect(doorFrom("[fd00:96::10]:80")).toEqual({ address: "fd00:96::10", port: 80 });
});

it("draws a sample of the hand-written states, with some of each group", () => {
  const counts = (sample: typeof GROUPS) => Object.values(sample).map(({ length }) => length);
  const sample = sampleOf(GROUPS, 40, 7);
  expect(Object.keys(sample)).toEqual(Object.keys(GROUPS));
  expect(counts(sample)).not.toContain(0);
  expect(Object.values(sample).flat()).toHaveLength(40);
  expect(sampleOf(GROUPS, 40, 7)).toEqual(sample);
  expect(sampleOf(GROUPS, 40, 8)).not.toEqual(sample);
  expect(sampleOf(GROUPS, 1_000, 7)).toEqual(GROUPS);
});
