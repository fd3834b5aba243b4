import fc from "fast-check";
import { expect, it } from "vitest";
import { EndpointStore } from "./stored-endpoint.ts";
import type { Endpoint } from "./types.ts";

/** Texts that could be mixed up where they are joined. */
const text = fc.constantFrom("", "a", "b", "a b", "a,b", " ", ",", "a b ");
const endpoints = fc.array(
  fc.record({
    address: fc.constantFrom("10.1.1.1", "10.1.1.2", "fd00::1"),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    nodeName: text,
    zone: text,
    zoneHints: fc.array(text, { maxLength: 3 }),
    nodeHints: fc.array(text, { maxLength: 3 }),
    podName: fc.option(fc.constantFrom("web-1", "web-2"), { nil: undefined }),
  }),
);

function plain(endpoint: Endpoint): Endpoint {
  const { address, ready, serving, terminating, nodeName, zone } = endpoint;
  const { zoneHints, nodeHints, podName } = endpoint;
  const state = { ready, serving, terminating };
  return { address, ...state, nodeName, zone, zoneHints, nodeHints, podName };
}

it("says the same as the endpoint, whatever was stored before", () => {
  fc.assert(
    fc.property(endpoints, (list) => {
      const store = new EndpointStore();
      expect(list.map((each) => plain(store.stored(each)))).toEqual(list);
    }),
  );
});

it("shares what endpoints have in common", () => {
  const store = new EndpointStore();
  const state = { ready: true, serving: true, terminating: false };
  const place = { nodeName: "node-1", zone: "a", zoneHints: ["a"], nodeHints: [] };
  const [one, two, other] = [
    { ...state, ...place, address: "10.1.1.1", podName: "web-1" },
    { ...state, ...place, zoneHints: ["a"], address: "10.1.1.2" },
    { ...state, ...place, zoneHints: ["b"], address: "10.1.1.3" },
  ].map((each) => store.stored(each).facts);
  expect(one).toBe(two);
  expect(one).not.toBe(other);
});

it("says the same of a list, whatever was stored of it before", () => {
  fc.assert(
    fc.property(endpoints, endpoints, (before, after) => {
      const store = new EndpointStore();
      const stored = store.storedAll(after, store.storedAll(before));
      expect(stored.map(plain)).toEqual(after);
    }),
  );
});

it("keeps what a list had before, when one is replaced, added or removed", () => {
  const store = new EndpointStore();
  const listOf = (...numbers: number[]) =>
    numbers.map((number) => {
      const state = { ready: true, serving: true, terminating: false };
      const place = { nodeName: "node-1", zone: "a", zoneHints: ["a"], nodeHints: [] };
      return { ...state, ...place, address: `10.1.1.${number}`, podName: `web-${number}` };
    });
  const before = store.storedAll(listOf(1, 2, 3, 4));
  const kept = (...numbers: number[]) => {
    const stored = store.storedAll(listOf(...numbers), before);
    return stored.filter((each) => before.includes(each)).map(({ address }) => address.at(-1));
  };
  expect(kept(1, 9, 3, 4)).toEqual(["1", "3", "4"]);
  expect(kept(1, 2, 3, 4, 9)).toEqual(["1", "2", "3", "4"]);
  expect(kept(2, 3, 4)).toEqual(["2", "3", "4"]);
  expect(kept(1, 2, 4)).toEqual(["1", "2", "4"]);
});
