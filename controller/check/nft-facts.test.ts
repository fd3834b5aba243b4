import { expect, it } from "vitest";
import { nftFactsFrom, serviceCIDRsFromKubeProxy } from "./nft-facts.ts";

const MARK = { meta: { key: "mark" } };
const FILTER = { family: "inet", table: "filter" };
const PORTICO = { family: "inet", table: "portico" };

/** Returns it as nft prints it. */
function ruleset(...objects: object[]): string {
  const metainfo = { version: "1.0.6", release_name: "Lester Gooch #5", json_schema_version: 1 };
  return JSON.stringify({ nftables: [{ metainfo }, ...objects] });
}

function rule(expr: object[], where: object = FILTER) {
  return { rule: { ...where, chain: "input", handle: 2, expr } };
}

function set(value: unknown) {
  return { mangle: { key: MARK, value } };
}

function marksOf(...expr: object[]): number[] {
  return nftFactsFrom(ruleset(rule(expr))).marks.map(({ value }) => value);
}

it("reads the bits of marks that are set", () => {
  expect(marksOf(set(0x1000))).toEqual([0x1000]);
  expect(marksOf(set({ "|": [MARK, 0x1000] }))).toEqual([0x1000]);
  expect(marksOf(set({ "^": [{ "&": [MARK, 0xffffefff] }, 0x40] }))).toEqual([0x40]);
});

it("does not take bits that are left alone, or cleared, for used ones", () => {
  expect(marksOf(set({ "&": [MARK, 0xffffefbf] }))).toEqual([]);
});

it("reads the bits of marks that are asked", () => {
  const of = (left: unknown, right: unknown) => marksOf({ match: { op: "==", left, right } });
  expect(of({ "&": [MARK, 0x4000] }, 0x4000)).toEqual([0x4000]);
  expect(of({ "&": [MARK, 0x4000] }, 0)).toEqual([0x4000]);
  expect(of(MARK, 0x1337)).toEqual([0x1337]);
  expect(of({ ct: { key: "mark" } }, { set: [1, 2] })).toEqual([1, 2]);
  expect(of({ payload: { protocol: "tcp", field: "dport" } }, 4096)).toEqual([]);
});

it("reads conntrack zones", () => {
  const key = { ct: { key: "zone", dir: "original" } };
  const { zones } = nftFactsFrom(ruleset(rule([{ mangle: { key, value: 4100 } }])));
  expect(zones).toEqual([{ value: 4100, where: "nftables: inet filter input" }]);
});

it("leaves Portico's own rules out, and names its table", () => {
  const facts = nftFactsFrom(
    ruleset({ table: { family: "inet", name: "portico" } }, rule([set(0x1000)], PORTICO)),
  );
  expect(facts).toMatchObject({ version: "1.0.6", marks: [], chains: [] });
  expect(facts.tables).toEqual([{ family: "inet", name: "portico" }]);
});

it("tells chains that end in a drop of everything", () => {
  const chain = { ...FILTER, name: "input", hook: "input", policy: "drop", type: "filter" };
  const endsInDrop = (...expr: object[]) =>
    nftFactsFrom(ruleset({ chain }, rule(expr))).chains.map((each) => each.endsInDrop);
  expect(endsInDrop({ counter: {} }, { drop: null })).toEqual([true]);
  expect(endsInDrop({ match: {} }, { drop: null })).toEqual([false]);
  expect(endsInDrop({ accept: null })).toEqual([false]);
});

it("finds the Service CIDR in kube-proxy's rules", () => {
  const chain = { family: "ip", table: "kube-proxy", chain: "cluster-ips-check" };
  const right = { prefix: { addr: "10.96.0.0", len: 16 } };
  const match = { match: { op: "==", left: {}, right } };
  const json = ruleset({ rule: { ...chain, expr: [match, { drop: null }] } });
  expect(serviceCIDRsFromKubeProxy(json)).toEqual(["10.96.0.0/16"]);
  expect(serviceCIDRsFromKubeProxy(ruleset(rule([match, { drop: null }])))).toEqual([]);
});

it("knows rules that drop what no route leads back to", () => {
  const fib = (flags: string[], right: unknown, op = "==") => {
    return { match: { op, left: { fib: { result: "oif", flags } }, right } };
  };
  const ofIPv6 = { match: { op: "==", left: { meta: { key: "nfproto" } }, right: "ipv6" } };
  const ofOthers = { match: { op: "==", left: { "&": [MARK, 0x40000] }, right: 0x40000 } };
  const filters = (expr: object[], hook = "prerouting") => {
    const chain = { chain: { ...FILTER, name: "input", hook, policy: "accept" } };
    const facts = nftFactsFrom(ruleset(chain, rule(expr)));
    return facts.reversePathFilters.map(({ families, asksMark, asksInterface, ...where }) => {
      expect(where).toEqual({ chain: "inet filter input", hook });
      return [families.join(), asksMark && "mark", asksInterface && "iif"].filter(Boolean).join();
    });
  };
  const strict = fib(["saddr", "mark", "iif"], false);
  const drop = { drop: null };
  expect(filters([ofIPv6, strict, drop])).toEqual(["IPv6,mark,iif"]);
  expect(filters([ofIPv6, strict, drop], "forward")).toEqual(["IPv6,mark,iif"]);
  expect(filters([fib(["saddr", "mark"], "0"), drop])).toEqual(["IPv4,IPv6,mark"]);
  expect(filters([fib(["saddr", "mark"], true, "!="), drop])).toHaveLength(1);
  expect(filters([fib(["saddr", "iif"], false), drop])).toEqual(["IPv4,IPv6,iif"]);
  expect(filters([ofOthers, strict, drop])).toEqual(["IPv4,IPv6,mark"]);
  expect(filters([fib(["daddr", "mark"], false), drop])).toEqual([]);
  expect(filters([fib(["saddr", "mark"], true), { accept: null }])).toEqual([]);
  expect(filters([strict, drop], "output")).toEqual([]);
});
