import { describe, expect, it } from "vitest";
import { type Family, familiesOf } from "./families.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./options.ts";
import { routingChanges, routingFrom, wantedRouting } from "./routes.ts";

const RULES = JSON.stringify([
  { priority: 0, src: "all", table: "255" },
  { priority: 50, src: "all", fwmark: "0x1000", fwmask: "0x1000", table: "4100", protocol: "4" },
  { priority: 100, src: "all", fwmark: "0x1000", fwmask: "0x1000", table: "4100", protocol: "87" },
  {
    priority: 100,
    src: "all",
    dst: "10.96.0.0",
    dstlen: 16,
    iif: "lo",
    table: "4100",
    protocol: "87",
  },
]);
const ROUTES = JSON.stringify([
  { type: "2", dst: "default", dev: "lo", table: "4100", scope: "254", prefsrc: "192.0.2.1" },
]);

const [IPV4, IPV6] = familiesOf(["IPv4", "IPv6"]) as [Family, Family];

const wanted = (cidrs: string[], nodeIP = "192.0.2.1") =>
  wantedRouting(IPV4, cidrs, ["fd00:2::1", nodeIP], DEFAULT_CAPTURE_OPTIONS);
const present = routingFrom(IPV4, RULES, ROUTES);

describe("changes of rules and routes", () => {
  it("are all of them when nothing is there", () => {
    expect(routingChanges(routingFrom(IPV4, "", "[]"), wanted(["10.96.0.0/16"]))).toEqual([
      "route replace local default dev lo table 4100 src 192.0.2.1 protocol 87",
      "rule add fwmark 0x1000/0x1000 table 4100 priority 100 protocol 87",
      "rule add to 10.96.0.0/16 iif lo table 4100 priority 100 protocol 87",
    ]);
  });

  it("are none when all is there, from whoever", () => {
    expect(routingChanges(present, wanted(["10.96.0.0/16", "fd00:96::/112"]))).toEqual([]);
  });

  it("follow the ServiceCIDRs", () => {
    expect(routingChanges(present, wanted(["10.112.0.0/16"]))).toEqual([
      "rule add to 10.112.0.0/16 iif lo table 4100 priority 100 protocol 87",
      "rule del to 10.96.0.0/16 iif lo table 4100 priority 100 protocol 87",
    ]);
  });

  it("follow the node's address, in one step", () => {
    expect(routingChanges(present, wanted(["10.96.0.0/16"], "192.0.2.9"))).toEqual([
      "route replace local default dev lo table 4100 src 192.0.2.9 protocol 87",
    ]);
  });

  it("remove what an earlier process made with other options", () => {
    const options = { ...DEFAULT_CAPTURE_OPTIONS, routeTable: 4200, markBit: 0x2000 };
    expect(routingChanges(present, wantedRouting(IPV4, [], ["192.0.2.1"], options))).toEqual([
      "route replace local default dev lo table 4200 src 192.0.2.1 protocol 87",
      "rule add fwmark 0x2000/0x2000 table 4200 priority 100 protocol 87",
      "rule del fwmark 0x1000/0x1000 table 4100 priority 100 protocol 87",
      "rule del to 10.96.0.0/16 iif lo table 4100 priority 100 protocol 87",
      "route del local default dev lo table 4100 src 192.0.2.1 protocol 87",
    ]);
  });

  it("know no ServiceCIDR in IPv6, whose rules nftables would ask too", () => {
    const rules = JSON.stringify([
      { priority: 100, dst: "fd00:96::1", iif: "lo", table: "4100", protocol: "87" },
    ]);
    const ips = ["192.0.2.1", "fd00:2::1"];
    const cidrs = ["10.96.0.0/16", "fd00:96::/112"];
    const six = wantedRouting(IPV6, cidrs, ips, DEFAULT_CAPTURE_OPTIONS);
    expect(routingChanges(routingFrom(IPV6, rules, ""), six)).toEqual([
      "route replace local default dev lo table 4100 src fd00:2::1 protocol 87",
      "rule add fwmark 0x1000/0x1000 table 4100 priority 100 protocol 87",
      "rule del to fd00:96::1/128 iif lo table 4100 priority 100 protocol 87",
    ]);
  });

  it("leave the source to the kernel where the node has no address", () => {
    const { routes } = wantedRouting(IPV6, [], ["192.0.2.1"], DEFAULT_CAPTURE_OPTIONS);
    expect(routes).toEqual(["local default dev lo table 4100"]);
  });

  it("leave the rules of other protocols alone", () => {
    expect(routingChanges(present, { rules: [], routes: [] })).toHaveLength(3);
  });
});
