import { Command } from "commander";
import { expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import {
  addServiceDefaults,
  type ServiceDefaultFlags,
  serviceDefaultsFromFlags,
} from "./service-defaults.ts";

function parse(...args: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addServiceDefaults(command);
  return serviceDefaultsFromFlags(
    command.parse(args, { from: "user" }).opts<ServiceDefaultFlags>(),
  );
}

it("are Portico's own without flags", () => {
  expect(parse()).toEqual(DEFAULT_SETTINGS);
});

it("have ejection off for all", () => {
  expect(parse("--ejection", "off")).toEqual({ ...DEFAULT_SETTINGS, ejection: false });
  expect(parse("--ejection", "on").ejection).toBe(true);
  expect(() => parse("--ejection", "never")).toThrow(/on, off/);
});
