import { expect, it } from "vitest";
import type { EnvoyStatus } from "../envoys/envoy-status.ts";
import { envoyText } from "./envoy-text.ts";

const active: EnvoyStatus["active"] = {
  directory: "/run/portico/b",
  pid: 7,
  version: "1.40.0",
  uptimeSeconds: 3,
  connections: 2,
  udpFlows: 1,
  outdated: [],
};
const draining = { directory: "/run/portico/a", until: "2026-12-01T10:00:00.000Z" };
const SERVES = `\
serves:    Envoy 1.40.0, pid 7, for 3 s, in /run/portico/b
           2 connections, 1 UDP flows
drains:    until 2026-12-01T10:00:00.000Z, in /run/portico/a
`;

const textWith = (connections: number | null, udpFlows: number | null) =>
  envoyText({
    supervised: true,
    active,
    draining: { ...draining, connections, udpFlows },
    standby: null,
  });

it("says how much the draining Envoy still carries", () => {
  expect(textWith(4, 0)).toBe(`${SERVES}           4 connections, 0 UDP flows\n`);
});

it("says so when the draining Envoy has not been asked yet", () => {
  const notYet = "           its connections and UDP flows were not read yet\n";
  expect(textWith(null, null)).toBe(`${SERVES}${notYet}`);
});
