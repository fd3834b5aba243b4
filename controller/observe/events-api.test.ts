import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { accessFromText } from "../kubeconfig/load.ts";
import { eventFromProblem } from "./event-from-problem.ts";
import type { EventSeries } from "./events.ts";
import { eventFromSeries, KubernetesEvents } from "./events-api.ts";

/** A real HTTP server in place of the API server, the requests it got, and its next answers. */
let server: Server;
let asked: { line: string; type: string | undefined; body: Record<string, unknown> }[];
let answers: { status: number; body: object }[];

beforeEach(async () => {
  asked = [];
  answers = [];
  server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString("utf8");
    const line = `${request.method} ${request.url}`;
    asked.push({ line, type: request.headers["content-type"], body: JSON.parse(body) });
    const answer = answers.shift() ?? { status: 201, body: JSON.parse(body) };
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

function access(): ApiAccess {
  const { port } = server.address() as AddressInfo;
  return accessFromText(`
clusters: [{name: test, cluster: {server: "http://127.0.0.1:${port}"}}]
contexts: [{name: test, context: {cluster: test}}]
current-context: test
`);
}

const SERIES: EventSeries = {
  subject: { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web", uid: "7" },
  type: "Warning",
  reason: "FailedToStartServiceHealthcheck",
  action: "Listen",
  note: "port taken",
  objectName: "web.1",
  firstSeen: Date.UTC(2026, 0, 1),
  lastSeen: Date.UTC(2026, 0, 1, 0, 0, 5),
  count: 1,
};
const EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events";

it("creates an Event, and patches it when it repeats", async () => {
  const events = new KubernetesEvents(access, "node-1", "test");
  expect(await events.write(SERIES)).toEqual({ outcome: "written" });
  answers = [{ status: 200, body: {} }];
  expect(await events.write({ ...SERIES, count: 3 })).toEqual({ outcome: "written" });
  expect(asked).toEqual([
    {
      line: `POST ${EVENTS}`,
      type: "application/json",
      body: {
        metadata: { name: "web.1", namespace: "shop" },
        eventTime: "2026-01-01T00:00:00.000000Z",
        reportingController: "portico",
        reportingInstance: "portico-node-1",
        action: "Listen",
        reason: "FailedToStartServiceHealthcheck",
        regarding: { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web", uid: "7" },
        note: "port taken",
        type: "Warning",
      },
    },
    {
      line: `PATCH ${EVENTS}/web.1`,
      type: "application/strategic-merge-patch+json",
      body: { series: { count: 3, lastObservedTime: "2026-01-01T00:00:05.000000Z" } },
    },
  ]);
});

it("creates again what the API server has forgotten", async () => {
  answers = [{ status: 404, body: { kind: "Status", message: "not found" } }];
  const events = new KubernetesEvents(access, "node-1", "test");
  expect(await events.write({ ...SERIES, count: 2 })).toEqual({ outcome: "written" });
  expect(asked.map(({ line }) => line)).toEqual([`PATCH ${EVENTS}/web.1`, `POST ${EVENTS}`]);
  expect(asked[1]?.body.series).toEqual({
    count: 2,
    lastObservedTime: "2026-01-01T00:00:05.000000Z",
  });
});

it("leaves an Event that another node wrote alone, and counts on its own", async () => {
  const events = new KubernetesEvents(access, "node-1", "test");
  const isThere = { status: 409, body: { kind: "Status", message: "already exists" } };
  answers = [isThere];
  expect(await events.write(SERIES)).toEqual({ outcome: "shared" });
  expect(asked.map(({ line }) => line)).toEqual([`POST ${EVENTS}`]);
  await events.write({ ...SERIES, objectName: "web.2" });
  await events.write({ ...SERIES, objectName: "web.2", count: 3 });
  answers = [isThere, { status: 200, body: {} }];
  expect(await events.write({ ...SERIES, objectName: "web.2" })).toEqual({ outcome: "written" });
  expect(asked.at(-1)?.line).toBe(`PATCH ${EVENTS}/web.2`);
  expect(asked.at(-1)?.body.series).toMatchObject({ count: 4 });
});

it("tells what would be refused again from what may pass", async () => {
  const events = new KubernetesEvents(access, "node-1", "test");
  const outcomeOf = async (status: number) => {
    answers = [{ status, body: { kind: "Status", message: "no" } }];
    return (await events.write(SERIES)).outcome;
  };
  const outcomes = [];
  for (const status of [401, 403, 409, 422, 429, 500, 503]) outcomes.push(await outcomeOf(status));
  expect(outcomes.join(" ")).toBe("again refused shared refused again again again");
  answers = [{ status: 403, body: { kind: "Status", message: "events is forbidden" } }];
  expect(await events.write(SERIES)).toEqual({
    outcome: "refused",
    reason:
      "events is forbidden; grant create and patch on events of events.k8s.io, as for kube-proxy",
  });
});

it("loads its credentials again after they were not accepted", async () => {
  let loads = 0;
  const load = () => {
    loads += 1;
    return access();
  };
  const events = new KubernetesEvents(load, "node-1", "test");
  await events.write(SERIES);
  await events.write(SERIES);
  expect(loads).toBe(1);
  answers = [{ status: 401, body: {} }];
  await events.write(SERIES);
  await events.write(SERIES);
  expect(loads).toBe(2);
});

it("tries again when nobody answers, or there are no credentials", async () => {
  const present = access();
  server.close();
  server.closeAllConnections();
  const unreachable = new KubernetesEvents(() => present, "node-1", "test");
  expect((await unreachable.write(SERIES)).outcome).toBe("again");
  const without = new KubernetesEvents(
    () => {
      throw new Error("no file");
    },
    "node-1",
    "test",
  );
  expect(await without.write(SERIES)).toEqual({ outcome: "again", reason: "no file" });
});

it("keeps to the API's limits", () => {
  const { note = "" } = eventFromSeries({ ...SERIES, note: "ü".repeat(2_000) }, "node-1");
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
  expect(note).toMatch(/^ü{500,} …$/);
  const subject = { ...SERIES.subject, kind: "Node", namespace: "", name: "a", uid: "" };
  const event = eventFromSeries({ ...SERIES, subject }, "node-1");
  expect(event.metadata?.namespace).toBe("default");
  expect(event.regarding).toEqual({ apiVersion: "v1", kind: "Node", name: "a" });
});

it("makes Events of problems with objects of the cluster, and of no others", () => {
  const uidOf = (kind: string, key: string) => `${kind} ${key}`;
  const event = (object: string) => eventFromProblem({ object, message: "bad" }, uidOf);
  expect(event("Service shop/web")).toEqual({
    subject: {
      apiVersion: "v1",
      kind: "Service",
      namespace: "shop",
      name: "web",
      uid: "Service shop/web",
    },
    type: "Warning",
    reason: "ServiceProxyProblem",
    action: "Sync",
    note: "bad",
  });
  const refused = { object: "Service shop/web", message: "bad", reason: "AddressRefused" };
  expect(eventFromProblem(refused, uidOf)?.reason).toBe("AddressRefused");
  expect(event("Node a")?.subject).toMatchObject({ namespace: "", name: "a" });
  expect(event("EndpointSlice shop/web-1")?.subject.apiVersion).toBe("discovery.k8s.io/v1");
  expect(event("File shop.yaml")).toBeUndefined();
  expect(event("toString x")).toBeUndefined();
  expect(event("Service")).toBeUndefined();
});
