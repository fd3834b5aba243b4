// What the owner of a Service is told in Events, by two nodes that both see it: one Event for each
// thing that is wrong, with the rights that Kubernetes gives kube-proxy.

import { EventsV1Api, type EventsV1Event } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, type NodeName, ServedCluster } from "./served-cluster.ts";

let served: ServedCluster;
let objects: Objects;

beforeAll(async () => {
  served = await ServedCluster.start(["--event-grace", "1s"]);
  objects = await served.objects();
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

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

/** How many Events a node has written, and how many another node had written before it. */
async function counted(node: NodeName): Promise<{ written: number; shared: number }> {
  const script =
    "fetch('http://127.0.0.1:10249/metrics').then(async (r) => console.log(await r.text()))";
  const { stdout } = await served.node(node).exec(process.execPath, ["-e", script]);
  const count = (outcome: string) =>
    Number(
      new RegExp(`^portico_events_total{outcome="${outcome}"} (\\d+)$`, "m").exec(stdout)?.[1] ?? 0,
    );
  return { written: count("written"), shared: count("shared") };
}

const WANTED = [
  "by-hand NoEndpoints",
  "diameter ProtocolNotCarried",
  "misnamed TargetPortNotFound",
  "mistyped SelectorMatchesNothing",
  "unready NoReadyEndpoints",
];

it("two nodes that see the same write one Event for each thing that is wrong", async () => {
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
  await eventually("both nodes to have told of everything", 3 * LAG_MS, async () => {
    const present = await events();
    const counts = await Promise.all([counted("node-1"), counted("node-2")]);
    const isAllTold = WANTED.every((each) => present.includes(each));
    return isAllTold && counts.every(({ written, shared }) => written + shared >= WANTED.length);
  });
  // On a slow machine there may be more, of things that took longer than the grace time.
  const present = await events();
  expect(present).toEqual([...new Set(present)]);
  const [one, other] = await Promise.all([counted("node-1"), counted("node-2")]);
  expect(one.shared + other.shared).toBeGreaterThan(0);
  const found = (await eventObjects()).find(({ regarding }) => regarding?.name === "mistyped");
  expect(found).toMatchObject({
    type: "Warning",
    note: expect.stringContaining("matches its selector app=wbe;"),
    regarding: { kind: "Service", uid: mistyped.metadata?.uid },
  });
  expect(found?.series).toBeUndefined();
});
