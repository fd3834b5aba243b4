import { expect, test } from "vitest";
import { frontendAddressFrom, frontendKey } from "./frontend-key.ts";

test("a key says what it is made of", () => {
  expect(frontendKey("10.96.0.10", 80, "TCP")).toBe("10.96.0.10:80/TCP");
  expect(frontendAddressFrom("10.96.0.10:80/TCP")).toEqual({
    family: "IPv4",
    address: "10.96.0.10",
    port: 80,
    protocol: "TCP",
  });
  expect(frontendKey("fd00::a", 53, "UDP")).toBe("[fd00::a]:53/UDP");
  expect(frontendAddressFrom("[fd00::a]:53/UDP")).toEqual({
    family: "IPv6",
    address: "fd00::a",
    port: 53,
    protocol: "UDP",
  });
});

test.each(["", "10.96.0.10", "10.96.0.10:80", "10.96.0.10:80/udp", "10.96.0.10/UDP"])(
  "%j is not a key",
  (text) => {
    expect(frontendAddressFrom(text)).toBeUndefined();
  },
);
