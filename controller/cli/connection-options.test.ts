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

it("has keepalives as Go has them, and waits 10 s for a backend", () => {
  expect(parse()).toEqual(DEFAULT_TCP_OPTIONS);
  expect(parse()).toEqual({
    connectTimeoutMs: 10_000,
    keepalive: { timeSeconds: 15, intervalSeconds: 15, probes: 9 },
    userTimeoutMs: 0,
  });
});

it("takes other values, and none", () => {
  const keepalive = ["--tcp-keepalive-time", "1m", "--tcp-keepalive-interval", "10s"];
  const others = ["--tcp-keepalive-probes", "3", "--tcp-user-timeout", "90s"];
  expect(parse(...keepalive, ...others, "--connect-timeout", "500ms")).toEqual({
    connectTimeoutMs: 500,
    keepalive: { timeSeconds: 60, intervalSeconds: 10, probes: 3 },
    userTimeoutMs: 90_000,
  });
  expect(parse("--tcp-keepalive-time", "0s").keepalive).toBeUndefined();
});

it.each([
  [["--tcp-keepalive-time", "1500ms"], /whole seconds, from 0s to 32767s/],
  [["--tcp-keepalive-time", "10h"], /whole seconds, from 0s to 32767s/],
  [["--tcp-keepalive-interval", "0s"], /whole seconds, from 1s/],
  [["--tcp-keepalive-probes", "128"], /from 1 to 127/],
  [["--tcp-user-timeout", "1000h"], /2147483647ms at most/],
  [["--connect-timeout", "0s"], /more than 0/],
])("takes nothing that the kernel does not: %s", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});
