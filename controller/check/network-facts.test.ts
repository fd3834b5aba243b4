import { expect, it } from "vitest";
import { linksFrom, listenersFrom, routesFrom, rulesFrom } from "./network-facts.ts";

it("reads links with their kind, their bridge and their addresses", () => {
  const veth = { ifname: "veth0", master: "cni0", linkinfo: { info_kind: "veth" } };
  const eth = { ifname: "eth0", addr_info: [{ local: "192.0.2.1" }, { local: "fe80::1" }] };
  expect(linksFrom(JSON.stringify([{}, veth, eth]))).toEqual([
    { name: "veth0", kind: "veth", master: "cni0", addresses: [] },
    { name: "eth0", kind: "", master: undefined, addresses: ["192.0.2.1", "fe80::1"] },
  ]);
  expect(linksFrom("")).toEqual([]);
});

it("reads routes as CIDRs, without Portico's", () => {
  const routes = [
    { dst: "default", dev: "eth0", protocol: "3" },
    { dst: "10.1.2.3", dev: "veth0", protocol: "3" },
    { dst: "192.0.2.1", type: "local", dev: "eth0", table: "255", protocol: "2" },
    { type: "local", dst: "default", dev: "lo", table: "4100", protocol: "87" },
  ];
  const found = routesFrom("IPv4", JSON.stringify(routes));
  expect(found.map(({ destination, table, isOwn }) => [destination, table, isOwn])).toEqual([
    ["0.0.0.0/0", "254", false],
    ["10.1.2.3/32", "254", false],
    ["192.0.2.1/32", "255", true],
  ]);
});

it("reads rules, without Portico's", () => {
  const rules = [
    { priority: 0, src: "all", table: "local" },
    { priority: 90, src: "all", fwmark: "0x80", fwmask: "0xf0", table: "main" },
    { priority: 91, src: "all", fwmark: "0x80", table: "main" },
    { priority: 100, src: "all", fwmark: "0x1000", table: "4100", protocol: "87" },
    { priority: 200, src: "10.1.0.0", srclen: 16, table: "7" },
    { priority: 201, not: null, src: "all", fwmark: "0x100000", fwmask: "0x100000", table: "1" },
    { priority: 202, src: "all", table: "main", suppress_prefixlen: 0 },
    { priority: 203, src: "all", nop: null },
    { priority: 204, src: "all", action: "blackhole" },
    { priority: 205, src: "all", iif: "eth0", iif_detached: null, table: "9" },
  ];
  const found = rulesFrom("IPv4", JSON.stringify(rules));
  const shown = found.map(({ priority, fwmark, asksMore, isInverted, isIdle, table }) => {
    const facts = { asksMore, isInverted, isIdle };
    const names = Object.entries(facts).flatMap(([name, is]) => (is ? [name] : []));
    return [priority, fwmark?.mask, names.join(), table];
  });
  expect(shown).toEqual([
    [0, undefined, "", "local"],
    [90, 0xf0, "", "main"],
    [91, 0x80, "", "main"],
    [200, undefined, "asksMore", "7"],
    [201, 0x100000, "isInverted", "1"],
    [202, undefined, "", "main"],
    [203, undefined, "isIdle", ""],
    [204, undefined, "", ""],
    [205, undefined, "asksMore", "9"],
  ]);
});

it("reads who listens, in both families", () => {
  const tcp = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:2809 00000000:0000 0A 00000000:00000000
   1: 010200C0:0016 0A0200C0:C350 01 00000000:00000000`;
  const address = "690000FD0000000000000000A0000000";
  const udp6 = `  sl  local_address rem_address   st\n   9: ${address}:3C2C 00:0000 07 0:0`;
  expect(listenersFrom("TCP", tcp)).toEqual([
    { protocol: "TCP", address: "127.0.0.1", port: 10_249 },
  ]);
  expect(listenersFrom("UDP", udp6)).toEqual([
    { protocol: "UDP", address: "fd00:69::a0", port: 15_404 },
  ]);
});
