import { expect, it } from "vitest";
import { targetUdpOf } from "../../test/stand-ins/udp-targets.ts";
import { frontendAddressFrom } from "../node/frontend-key.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import { udpBindingsOfPresent } from "./udp-bindings.ts";

const KEYS = ["[fd00:e::9]:514/UDP", "10.96.0.10:53/UDP"];

function frontend(key: string): Frontend {
  const address = frontendAddressFrom(key);
  if (!address) throw new Error(key);
  return {
    ...address,
    key,
    kind: "ClusterIP",
    namespace: "shop",
    service: "dns",
    portName: "",
    verdict: "local",
    backends: [],
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

const frontends = new Map(KEYS.map((key) => [key, frontend(key)]));
const options = { masqueradeAll: false, podFamilies: ["IPv4"] as const };
const { target, bindings } = targetUdpOf(frontends.values(), options);

it("say where the listeners of each frontend are bound", () => {
  const addressOf = (key: string, kind: string) =>
    [...target.listeners.values()].find((each) => each.frontend === key && each.kind === kind)
      ?.address;
  const kinds = [
    ["local", "masquerade"],
    ["keep", "local", "masquerade"],
  ];
  const expected = KEYS.map((key, index): [string, unknown] => {
    const bound = kinds[index]?.map((kind) => [kind, addressOf(key, kind)]) ?? [];
    return [key, { ...frontendAddressFrom(key), bound: Object.fromEntries(bound) }];
  });
  expect(bindings).toEqual(new Map(expected));
});

it("are the same of the listeners that an Envoy has, by their names", () => {
  const others = [
    { name: "capture-keep", address: "0.0.0.0" },
    { name: "udp-keep/what/240.0.0.1", address: "240.0.0.1" },
  ];
  const present = udpBindingsOfPresent([...target.listeners.values(), ...others]);
  expect(present).toEqual(bindings);
});
