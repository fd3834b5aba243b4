import { Command } from "commander";
import { expect, it } from "vitest";
import { DEFAULT_TCP_OPTIONS } from "../xds/tcp-options.ts";
import {
  addConnectionOptions,
  type ConnectionFlags,
  tcpOptionsFromFlags,
} from "./connection-options.ts";

function parse(...args: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addConnectionOptions(command);
  return tcpOptionsFromFlags(command.parse(args, { from: "user" }).opts<ConnectionFlags>());
}

it("has keepalives as Go has them, and waits 10 s for backends", () => {
  expect(parse()).toEqual(DEFAULT_TCP_OPTIONS);
  expect(parse()).toEqual({
    connectTimeoutMs: 1_000,
    connectAttempts: 10,
    keepalive: { timeSeconds: 15, intervalSeconds: 15, probes: 9 },
    userTimeoutMs: 0,
  });
});

it("takes other values, and none", () => {
  const keepalive = ["--tcp-keepalive-time", "1m", "--tcp-keepalive-interval", "10s"];
  const others = ["--tcp-keepalive-probes", "3", "--tcp-user-timeout", "90s"];
  expect(parse(...keepalive, ...others, "--connect-timeout", "500ms")).toEqual({
    connectTimeoutMs: 500,
    connectAttempts: 10,
    keepalive: { timeSeconds: 60, intervalSeconds: 10, probes: 3 },
    userTimeoutMs: 90_000,
  });
  expect(parse("--connect-timeout", "1h").connectTimeoutMs).toBe(3_600_000);
  expect(parse("--tcp-keepalive-time", "0s").keepalive).toBeUndefined();
});

it("waits as long for one backend as for ten", () => {
  const one = { connectAttempts: 1, connectTimeoutMs: 10_000 };
  expect(parse("--connect-attempts", "1")).toMatchObject(one);
  const short = { connectAttempts: 1, connectTimeoutMs: 2_000 };
  expect(parse("--connect-attempts", "1", "--connect-timeout", "2s")).toMatchObject(short);
});

it("says in its help how long it waits for a backend", () => {
  const command = new Command();
  addConnectionOptions(command);
  const text = command.helpInformation().replace(/\s+/g, " ");
  expect(text).toContain("(default: 1s; 10s with --connect-attempts 1)");
});

it.each([
  [["--tcp-keepalive-time", "1500ms"], /whole seconds, from 0s to 32767s/],
  [["--tcp-keepalive-time", "10h"], /whole seconds, from 0s to 32767s/],
  [["--tcp-keepalive-interval", "0s"], /whole seconds, from 1s/],
  [["--tcp-keepalive-probes", "128"], /from 1 to 127/],
  [["--tcp-user-timeout", "1000h"], /2147483647ms at most/],
  [["--connect-timeout", "0s"], /more than 0/],
  [["--connect-timeout", "61m"], /61m is too long: give 1h at most/],
  [["--connect-attempts", "0"], /from 1 to 10/],
  [["--connect-attempts", "11"], /from 1 to 10/],
])("takes nothing that the kernel does not: %s", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});
