import { expect, it } from "vitest";
import { found, only } from "../../test/stand-ins/found-on-node.ts";
import { NFT } from "../../test/stand-ins/sound-node.ts";
import type { IPFamily } from "../model/types.ts";
import type { Chain, NodeFacts, ReversePathFilter } from "./facts.ts";

function chain(more: Partial<Chain>): Partial<NodeFacts> {
  const whole = {
    table: "inet f",
    name: "c",
    hook: undefined,
    policy: "accept",
    endsInDrop: false,
  };
  return { nft: { ...NFT, chains: [{ ...whole, ...more }] } };
}

const PREROUTING = {
  chain: "inet firewalld pre",
  hook: "prerouting" as const,
  asksMark: true,
  asksInterface: false,
};

it("names packet filters that drop by default, by the hook", () => {
  expect(only(chain({ hook: "input", policy: "drop" }))).toBe(
    "warning a packet filter drops unlisted traffic in input: " +
      "chain c of table inet f, policy drop",
  );
  expect(only(chain({ hook: "output", policy: "drop" }))).toMatch(/^warning .* in output/);
  const forward = chain({ hook: "forward", policy: "drop" });
  expect(only(forward)).toMatch(
    /^warning .* unlisted forwarded traffic, .* connections to backends/,
  );
  expect(only(forward, { policyHook: "output" })).toMatch(/^note .*forwarded/);
  const xtables = [":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]"];
  expect(only({ xtables })).toMatch(/chain INPUT of table iptables, policy drop$/);
  const both = chain({ name: "INPUT", hook: "input", policy: "drop" });
  expect(only({ ...both, xtables })).toMatch(/chain INPUT of table inet f, policy drop$/);
});

it("takes Calico's that keep Pods from the host for blockers", () => {
  const name = "filter-cali-wl-to-host";
  expect(only(chain({ name, endsInDrop: true }))).toMatch(/^blocker Calico drops/);
  expect(found(chain({ name }))).toEqual([]);
  const comment = '-m comment --comment "Configured DefaultEndpointToHostAction"';
  expect(only({ xtables: [`-A cali-wl-to-host ${comment} -j DROP`] })).toMatch(/^blocker Calico/);
  expect(found({ xtables: [`-A cali-wl-to-host ${comment} -j ACCEPT`] })).toEqual([]);
});

it("takes filters that ask by the mark for blockers where Services have the family", () => {
  const filter = (...families: IPFamily[]) => ({
    nft: { ...NFT, reversePathFilters: [{ ...PREROUTING, families }] },
  });
  expect(only(filter("IPv4", "IPv6"))).toBe(
    "blocker a reverse path filter drops captured packets over IPv4 and IPv6: " +
      "fib saddr . mark, and drop, in chain inet firewalld pre",
  );
  expect(only(filter("IPv6"))).toMatch(/^note .* over IPv6:/);
  const [unknown] = found(filter("IPv6"), { serviceCIDRs: [] }).filter((each) =>
    /over IPv6/.test(each),
  );
  expect(unknown).toMatch(/^warning /);
});

it("takes filters that ask for the interface for blockers of what Portico forwards", () => {
  const filter = (more: Partial<ReversePathFilter>) => {
    const asked = { asksMark: false, asksInterface: true };
    const whole = { ...PREROUTING, ...asked, families: ["IPv4" as const], ...more };
    return { nft: { ...NFT, reversePathFilters: [whole] } };
  };
  expect(only(filter({}))).toBe(
    "blocker a strict reverse path filter drops the first packets of Envoy's connections to " +
      "backends over IPv4, which enter by portico1: " +
      "fib saddr . iif, and drop, in chain inet firewalld pre",
  );
  expect(only(filter({ hook: "forward", asksMark: true }))).toMatch(/^blocker a strict /);
  expect(only(filter({ families: ["IPv6"] }))).toMatch(/^note a strict /);
  expect(found(filter({ asksInterface: false }))).toEqual([]);
  expect(found(filter({ hook: "forward" }), { policyHook: "output" })).toEqual([]);
});
