import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, it } from "vitest";
import { addressBytes } from "../model/ip.ts";
import { UdpAddressBook } from "./udp-address-book.ts";

/** Random bytes that count up. */
function counting(): (bytes: number) => Uint8Array {
  let count = 0;
  return (bytes) => new Uint8Array(bytes).fill(0).map((_, index) => (index === 3 ? ++count : 0));
}

const V4 = "10.96.0.10";

it("gives each listener an address of its own, and the same one while it stays", () => {
  const addresses = new UdpAddressBook([], [], counting());
  expect(["a", "b", "a"].map((role) => addresses.assign(role, V4))).toEqual([
    "240.0.0.1",
    "240.0.0.2",
    "240.0.0.1",
  ]);
  addresses.release("a");
  expect([addresses.assign("c", V4), addresses.assign("b", V4)]).toEqual([
    "240.0.0.3",
    "240.0.0.2",
  ]);
  expect([...addresses.roles]).toEqual(["b", "c"]);
});

it("gives one that comes back another address", () => {
  const addresses = new UdpAddressBook([], [], counting());
  addresses.assign("a", V4);
  addresses.release("a");
  expect(addresses.assign("a", V4)).toBe("240.0.0.2");
});

it("leaves the listeners of an Envoy that lives where they are", () => {
  const addresses = new UdpAddressBook([["a", "240.0.0.1"]], ["240.0.0.2"], counting());
  expect([addresses.assign("b", V4), addresses.assign("a", V4)]).toEqual([
    "240.0.0.3",
    "240.0.0.1",
  ]);
});

it("stays within the prefixes", () => {
  const addresses = new UdpAddressBook([], [], (bytes) => new Uint8Array(bytes).fill(0xab));
  expect(addresses.assign("a", "fd00:96::a")).toBe("fd70:6f72:7469:636f:abab:abab:abab:b5e1");
  expect(addresses.assign("b", V4)).toBe("243.171.171.171");
});

it("gives IPv6 listeners addresses of the checksum that their frontend's has", () => {
  const sum = (address: string) => {
    const words = addressBytes(address).reduce(
      (total, byte, index) => total + (index % 2 ? byte : byte * 256),
      0,
    );
    return words % 0xffff;
  };
  const hex = fc.integer({ min: 0, max: 0xffff }).map((word) => word.toString(16));
  fc.assert(
    fc.property(fc.array(hex, { minLength: 8, maxLength: 8 }), (words) => {
      const frontend = ipaddr.parse(words.join(":")).toString();
      const listener = new UdpAddressBook([]).assign("a", frontend);
      expect(listener).toMatch(/^fd70:6f72:7469:636f:/);
      expect(sum(listener)).toBe(sum(frontend));
    }),
  );
});
