// Events against a real API server, with the rights that Kubernetes gives kube-proxy.

import { EventsV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { EventSeries } from "../../controller/observe/events.ts";
import { KubernetesEvents } from "../../controller/observe/events-api.ts";
import { ControlPlane } from "./control-plane.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await ControlPlane.start();
}, 900_000); // the first run builds Kubernetes

afterAll(() => plane?.stop());

/** Unlike that of each other test and try: an Event that exists is not written again. */
let objectName: string;
let tries = 0;

beforeEach(() => {
  tries += 1;
  objectName = `web.${tries}`;
});

const SERIES: Omit<EventSeries, "objectName"> = {
  subject: { apiVersion: "v1", kind: "Service", namespace: "default", name: "web", uid: "7" },
  type: "Warning",
  reason: "FailedToStartServiceHealthcheck",
  action: "Listen",
  note: "port taken",
  firstSeen: Date.UTC(2026, 0, 1),
  lastSeen: Date.UTC(2026, 0, 1, 0, 0, 5),
  count: 1,
};

it("is let write an Event, and its count", async () => {
  const events = new KubernetesEvents(() => plane.access("proxy"), "node-1", "test");
  const series = { ...SERIES, objectName };
  expect(await events.write(series)).toEqual({ outcome: "written" });
  expect(await events.write({ ...series, count: 5 })).toEqual({ outcome: "written" });
  const api = plane.kubeConfig().makeApiClient(EventsV1Api);
  const event = await api.readNamespacedEvent({ namespace: "default", name: objectName });
  expect(event).toMatchObject({
    note: "port taken",
    reportingController: "portico",
    regarding: { kind: "Service", name: "web", uid: "7" },
    series: { count: 5, lastObservedTime: "2026-01-01T00:00:05.000000Z" },
  });
});

it("shares an Event that another node wrote, whose author counts when it comes again", async () => {
  const [one, other] = ["node-1", "node-2"].map(
    (node) => new KubernetesEvents(() => plane.access("proxy"), node, "test"),
  );
  const series = { ...SERIES, objectName };
  expect(await one?.write(series)).toEqual({ outcome: "written" });
  expect(await other?.write(series)).toEqual({ outcome: "shared" });
  const again = { ...series, lastSeen: Date.UTC(2026, 0, 1, 0, 9) };
  expect(await one?.write(again)).toEqual({ outcome: "written" });
  const api = plane.kubeConfig().makeApiClient(EventsV1Api);
  const event = await api.readNamespacedEvent({ namespace: "default", name: objectName });
  expect(event).toMatchObject({
    reportingInstance: "portico-node-1",
    series: { count: 2, lastObservedTime: "2026-01-01T00:09:00.000000Z" },
  });
});

it("writes Events on Nodes too, and over what the API server has forgotten", async () => {
  const events = new KubernetesEvents(() => plane.access("proxy"), "node-1", "test");
  const subject = { apiVersion: "v1", kind: "Node", namespace: "", name: "node-1", uid: "" };
  const series = { ...SERIES, subject, objectName, count: 2 };
  expect(await events.write(series)).toEqual({ outcome: "written" });
});

it("says what is missing when it may not", async () => {
  const events = new KubernetesEvents(() => plane.access("nobody"), "node-1", "test");
  const outcome = await events.write({ ...SERIES, objectName });
  expect(outcome).toMatchObject({
    outcome: "refused",
    reason: expect.stringMatching(/"nobody" cannot create resource "events".*grant create/),
  });
});
