import { expect, it } from "vitest";
import { readinessAnswer } from "./readiness.ts";

const READY = {
  watches: [{ kind: "Service", synced: true }],
  envoysConnected: 1,
  hasProgrammed: true,
  toRepair: [],
  isHealthy: true,
};

it("is ready when everything was programmed and an Envoy is there to serve it", () => {
  expect(readinessAnswer(READY)).toMatchObject({
    status: 200,
    body: '{"ready":true,"missing":[]}',
  });
});

it.each([
  [{ watches: [{ kind: "Node", synced: false }] }, "the first list of Node"],
  [{ envoysConnected: 0 }, "an Envoy to connect to xds.sock"],
  [{ hasProgrammed: false }, "the first sync to succeed"],
  [
    { toRepair: ["rule a", "rule b"] },
    "repair of kernel rules that other processes changed: rule a; rule b",
  ],
  [{ isHealthy: false }, "changes that have been pending for too long"],
])("says what is missing: %o", (fact, missing) => {
  const { status, body } = readinessAnswer({ ...READY, ...fact });
  expect(status).toBe(503);
  expect(JSON.parse(body)).toEqual({ ready: false, missing: [missing] });
});
