// What the owner of a Service is told in Events, by two nodes that both see it: one Event for each
// thing that is wrong, with the rights that Kubernetes gives kube-proxy.

import { EventsV1Api, type EventsV1Event } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster } from "./served-cluster.ts";

let served: ServedCluster;
let objects: Objects;

beforeAll(async () => {
  served = await ServedCluster.start(["--event-grace", "1s"]);
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

beforeEach(async () => {
  objects = await served.objects();
});

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
});

/** "web SelectorMatchesNothing", sorted; one for each Event object in the namespace. */
async function events(): Promise<string[]> {
  return (await eventObjects()).map(({ regarding, reason }) => `${regarding?.name} ${reason}`);
}

async function eventObjects(): Promise<EventsV1Event[]> {
  const api = served.plane.kubeConfig().makeApiClient(EventsV1Api);
  const { items } = await api.listNamespacedEvent({ namespace: objects.namespace });
  const keyOf = ({ regarding, reason }: EventsV1Event) => `${regarding?.name} ${reason}`;
  return items.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Of both nodes: how many Events they have written, and how many the other had before them. */
async function counted(): Promise<{ written: number; shared: number }> {
  const total = { written: 0, shared: 0 };
  for (const node of ["node-1", "node-2"] as const) {
    const script =
      "fetch('http://127.0.0.1:10249/metrics').then(async (r) => console.log(await r.text()))";
    const { stdout } = await served.node(node).exec(process.execPath, ["-e", script]);
    const line = /^portico_events_total{outcome="(written|shared)"} (\d+)$/gm;
    for (const [, outcome, count] of stdout.matchAll(line)) {
      total[outcome as keyof typeof total] += Number(count);
    }
  }
  return total;
}

/** Whether both nodes have logged it: each does so once, just before it writes the Event. */
function isToldByBoth(what: string): boolean {
  const [name, reason] = what.split(" ");
  const line = `"object":"Service ${objects.namespace}/${name}","reason":"${reason}"`;
  return served.log.split(line).length - 1 === 2;
}

const WANTED = [
  "by-hand NoEndpoints",
  "diameter ProtocolNotCarried",
  "misnamed TargetPortNotFound",
  "mistyped SelectorMatchesNothing",
  "unready NoReadyEndpoints",
];

it("two nodes that see the same write one Event for each thing that is wrong", async () => {
  const before = await counted();
  const port = { name: "http", port: 80, targetPort: "http" };
  const create = (name: string, selector: Record<string, string> | undefined, more: object = {}) =>
    objects.createService({
      name,
      spec: { ...(selector && { selector }), ports: [{ ...port, ...more }] },
    });
  await objects.createPod(served.pod("web-1"));
  await objects.createPod(served.pod("web-2", { labels: { app: "slow" }, ready: false }));
  await create("healthy", { app: "web" });
  const mistyped = await create("mistyped", { app: "wbe" });
  await create("misnamed", { app: "web" }, { targetPort: "htpp" });
  await create("unready", { app: "slow" });
  await create("by-hand", undefined);
  await create("diameter", { app: "web" }, { protocol: "SCTP", targetPort: 3868 });
  // Of each, one node writes the Event, and the other finds it written.
  await eventually("both nodes to have told of everything", 3 * LAG_MS, async () => {
    const present = await events();
    const isAllTold = WANTED.every((each) => present.includes(each) && isToldByBoth(each));
    return isAllTold && (await counted()).shared >= before.shared + WANTED.length;
  });
  // On a slow machine there may be more, of things that took longer than the grace time: a Service
  // that has no EndpointSlice yet, say.
  const present = await events();
  expect(present).toEqual([...new Set(present)]);
  const found = (await eventObjects()).find(
    ({ regarding, reason }) =>
      regarding?.name === "mistyped" && reason === "SelectorMatchesNothing",
  );
  expect(found).toMatchObject({
    type: "Warning",
    note: expect.stringContaining("matches its selector app=wbe;"),
    regarding: { kind: "Service", uid: mistyped.metadata?.uid },
  });
  expect(found?.series).toBeUndefined();
});
