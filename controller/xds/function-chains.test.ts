import { expect, it } from "vitest";
import { leadToFunctions, withFunctionChains } from "./function-chains.ts";
import type { Resource } from "./protos.ts";
import { captureListeners } from "./resources.ts";
import { DEFAULT_TCP_OPTIONS } from "./tcp-options.ts";

const PORTS = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
const plain = captureListeners(PORTS, ["IPv4", "IPv6"], DEFAULT_TCP_OPTIONS);
const both = withFunctionChains(plain);

interface Chain {
  name: string;
  filters: { name: string }[];
}
const chainsOf = (listener: Resource) => listener.filter_chains as Chain[];

it("gives each listener a chain with the filters that have functions", () => {
  const filters = chainsOf(both[2] as Resource).map(({ name, filters }) => [
    name,
    filters.map((filter) => filter.name),
  ]);
  expect(filters).toEqual([
    ["plain", ["portico.connection-local", "portico.proxy"]],
    ["functions", ["portico.connection-local-functions", "portico.proxy"]],
  ]);
  expect(both).toHaveLength(plain.length);
});

it("changes nothing but the matcher, so that Envoy keeps all connections", () => {
  const led = leadToFunctions(both, [{ address: "10.96.0.1", port: 80 }]);
  led.forEach((listener, index) => {
    const { filter_chain_matcher: matcher, ...rest } = listener;
    const { filter_chain_matcher: before, ...same } = both[index] as Resource;
    expect(rest).toEqual(same);
    expect(matcher).not.toEqual(before);
  });
});

it("gives the same for the same frontends in any order", () => {
  const frontends = [
    { address: "10.96.0.2", port: 443 },
    { address: "10.96.0.1", port: 80 },
    { address: "10.96.0.2", port: 80 },
  ];
  const text = (of: typeof frontends) => JSON.stringify(leadToFunctions(both, of));
  expect(text(frontends)).toBe(text(frontends.toReversed()));
  expect(text(frontends)).toContain('"80"');
});

it("leaves listeners without such a chain alone", () => {
  expect(leadToFunctions(plain, [{ address: "10.96.0.1", port: 80 }])).toEqual(plain);
});
