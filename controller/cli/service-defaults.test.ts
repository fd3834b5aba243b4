import { Command } from "commander";
import { expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import {
  addServiceDefaults,
  type ServiceDefaultFlags,
  schedulerLine,
  serviceDefaultsFromFlags,
} from "./service-defaults.ts";

function parse(...args: string[]) {
  return serviceDefaultsFromFlags(flagsOf(...args), undefined);
}

function flagsOf(...args: string[]): ServiceDefaultFlags {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addServiceDefaults(command);
  return command.parse(args, { from: "user" }).opts<ServiceDefaultFlags>();
}

it("are Portico's own without flags", () => {
  expect(parse()).toEqual(DEFAULT_SETTINGS);
});

it("have ejection off for all", () => {
  expect(parse("--ejection", "off")).toEqual({ ...DEFAULT_SETTINGS, ejection: false });
  expect(parse("--ejection", "on").ejection).toBe(true);
  expect(() => parse("--ejection", "never")).toThrow(/on, off/);
});

it("balance as the flag says, or else as comes nearest to the scheduler of IPVS", () => {
  expect(parse("--balancing", "round-robin").balancing).toBe("round-robin");
  expect(() => parse("--balancing", "weighted")).toThrow(/random, least-connections/);
  expect(serviceDefaultsFromFlags(flagsOf(), "wlc").balancing).toBe("least-connections");
  expect(serviceDefaultsFromFlags(flagsOf(), "").balancing).toBe("round-robin");
  const flags = flagsOf("--balancing", "random");
  expect(serviceDefaultsFromFlags(flags, "wlc").balancing).toBe("random");
  expect(schedulerLine(flags, "wlc")).toBeUndefined();
  expect(schedulerLine(flagsOf(), undefined)).toBeUndefined();
  expect(schedulerLine(flagsOf(), "")).toBe(
    "ipvs.scheduler rr becomes --balancing round-robin, the same",
  );
});
