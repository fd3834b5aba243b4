import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressAndPort,
  addressBytes,
  cidrContains,
  compareAddresses,
  familyOf,
  parseAddress,
  parseCIDR,
  readIPv6,
} from "./ip.ts";

describe("parseAddress", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["010.096.000.001", "10.96.0.1"], // decimal, as e2e "funny IPs" requires, not octal
    ["0000000010.0.0.1", "10.0.0.1"],
    ["FD00:0:0::A", "fd00::a"],
    ["fd00:0:0:1:0:0:0:1", "fd00:0:0:1::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
  ])("%s is %s", (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical);
  });

  test.each([
    "",
    "None",
    "10.0.0",
    "10.0.0.256",
    "0x0a.0.0.1",
    "167772161",
    "10.0.0.1/32",
    " 10.0.0.1",
    "fe80::1%eth0",
    "fd00::g",
    "10.0.0.1:80",
    "1.2.3.4.5",
  ])("%j is no address", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("never throws, and is its own result", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        const address = parseAddress(text);
        if (address !== undefined) expect(parseAddress(address)).toBe(address);
      }),
    );
  });
});

describe("parseCIDR", () => {
  test.each([
    ["10.96.0.0/16", "10.96.0.0/16"],
    ["10.96.3.4/12", "10.96.0.0/12"],
    ["010.96.3.4/31", "10.96.3.4/31"],
    ["10.1.2.3/0", "0.0.0.0/0"],
    ["10.1.2.3/32", "10.1.2.3/32"],
    ["FD00:96::1:1/112", "fd00:96::1:0/112"],
  ])("%s is %s", (text, canonical) => {
    expect(parseCIDR(text)).toBe(canonical);
  });

  test.each([
    "",
    "/",
    "10.96.0.0",
    "10.96.0.0/33",
    "10.96.0.0/",
    "10.96.0.0/-1",
    "/16",
    "fd00::/129",
  ])("%j is no CIDR", (text) => {
    expect(parseCIDR(text)).toBeUndefined();
  });

  test("never throws; a CIDR contains its own network", () => {
    const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
    fc.assert(
      fc.property(addresses, fc.integer({ min: -1, max: 130 }), (address, bits) => {
        const cidr = parseCIDR(`${address}/${bits}`);
        if (cidr === undefined) return;
        expect(cidrContains(cidr, cidr.slice(0, cidr.indexOf("/")))).toBe(true);
        expect(cidrContains(cidr, parseAddress(address) ?? "")).toBe(true);
      }),
    );
  });
});

test("cidrContains", () => {
  expect(cidrContains("10.96.0.0/16", "10.96.255.255")).toBe(true);
  expect(cidrContains("10.96.0.0/16", "10.97.0.0")).toBe(false);
  expect(cidrContains("10.96.0.0/16", "fd00::1")).toBe(false);
  expect(cidrContains("fd00:96::/112", "fd00:96::ffff")).toBe(true);
});

test("compareAddresses orders by bytes, IPv4 first", () => {
  const sorted = ["9.0.0.1", "10.0.0.2", "10.0.0.10", "200.0.0.1", "fd00::9", "fd00::10"];
  expect(sorted.toReversed().sort(compareAddresses)).toEqual(sorted);
  const addresses = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text) ?? "::1");
  fc.assert(
    fc.property(addresses, addresses, (a, b) => {
      const byFamily = addressBytes(a).length - addressBytes(b).length;
      const expected = byFamily || Buffer.compare(addressBytes(a), addressBytes(b));
      expect(Math.sign(compareAddresses(a, b))).toBe(Math.sign(expected));
    }),
  );
});

test("readIPv6 reads what addressBytes does", () => {
  const words = new Uint16Array(8).fill(0xffff);
  const texts = ["::", "::1", "1::", "fd00::1:0:0:1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:0"];
  const addresses = fc.oneof(fc.constantFrom(...texts), fc.ipV6());
  fc.assert(
    fc.property(addresses, (text) => {
      const address = parseAddress(text);
      if (address === undefined || !address.includes(":")) return;
      readIPv6(address, words);
      const bytes = [...words].flatMap((word) => [word >> 8, word & 0xff]);
      expect(bytes).toEqual([...addressBytes(address)]);
    }),
  );
});

test("familyOf, addressBytes, addressAndPort", () => {
  expect(familyOf("10.0.0.1")).toBe("IPv4");
  expect(familyOf("fd00::/64")).toBe("IPv6");
  expect([...addressBytes("10.0.0.1")]).toEqual([10, 0, 0, 1]);
  expect(addressBytes("fd00::1")).toHaveLength(16);
  expect(addressAndPort("10.0.0.1", 80)).toBe("10.0.0.1:80");
  expect(addressAndPort("fd00::1", 80)).toBe("[fd00::1]:80");
});
