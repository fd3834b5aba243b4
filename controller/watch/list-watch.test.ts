import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { line, sends, status, TestServer } from "../../test/stand-ins/list-watch-server.ts";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { Problem } from "../model/types.ts";
import { KubernetesApi } from "./kubernetes-api.ts";
import { ListWatch, type WatchStatus } from "./list-watch.ts";

let server: TestServer;
let clock: TestClock;
let state: ClusterState;
let watch: ListWatch<"Service">;
let problems: Map<string, readonly Problem[]>;
let statuses: WatchStatus[];

beforeEach(async () => {
  server = await TestServer.start();
  clock = new TestClock();
  state = new ClusterState();
  problems = new Map();
  statuses = [];
  watch = new ListWatch({
    collection: {
      kind: "Service",
      apiGroup: "",
      resource: "services",
      selectors: { labelSelector: "!some/label" },
      optional: true,
      parse: serviceFromObject,
    },
    api: new KubernetesApi(() => server.access(), "test"),
    sink: state,
    reportProblems: (object, list) => problems.set(object, list),
    onStatus: (status) => statuses.push(status),
    clock,
    random: () => 0.5,
  });
});

afterEach(async () => {
  await watch.stop();
  await server.stop();
});

const until = async (condition: () => boolean) =>
  expect.poll(condition, { interval: 2, timeout: 5_000 }).toBe(true);

const names = () => [...state.services.values()].map((service) => service.name).sort();

/** Waits until the state equals the server's and a watch is open. */
async function untilEqual(): Promise<void> {
  await expect.poll(names, { interval: 2, timeout: 5_000 }).toEqual(server.names);
  await until(() => watch.status().state === "watching" && server.openWatches > 0);
}

async function startWith(...objects: string[]): Promise<void> {
  for (const name of objects) server.put(name);
  watch.start();
  await untilEqual();
}

const lastRequest = () => Object.fromEntries(server.requests.at(-1) ?? []);

describe("a list", () => {
  it("streams where the server can, and goes on as the watch", async () => {
    await startWith("carts", "orders");
    server.put("payments");
    server.delete("carts");
    await untilEqual();
    expect(server.requests.length).toBe(1);
    expect(lastRequest()).toEqual({
      labelSelector: "!some/label",
      watch: "true",
      allowWatchBookmarks: "true",
      timeoutSeconds: "450",
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
    });
    expect(watch.status()).toMatchObject({ state: "watching", synced: true, lists: 1, note: "" });
  });

  it("comes in pages where the server refuses to stream", async () => {
    server.hasStreamingList = false;
    await startWith(...Array.from({ length: 1_200 }, (_, index) => `service-${index}`));
    const [, first, second, third, follow] = server.requests;
    expect([first?.get("limit"), first?.get("continue")]).toEqual(["500", null]);
    expect([second?.has("continue"), third?.has("continue")]).toEqual([true, true]);
    expect(follow?.get("resourceVersion")).toBe(server.version);
    expect(watch.status().note).toContain("WatchList gate");
    expect(watch.status().failure).toBeUndefined();
  });

  it("comes in pages after a broken stream, and streams again the next time", async () => {
    server.misbehaviours.push(
      sends(line("ADDED", { metadata: { name: "x", resourceVersion: "1" } }), "end"),
    );
    await startWith("orders");
    expect(server.requests[1]?.has("limit")).toBe(true);
    server.compact();
    server.put("carts");
    server.compact();
    server.endWatches("cut");
    await untilEqual();
    expect(lastRequest()).toHaveProperty("sendInitialEvents");
  });

  it("begins anew when its continue token has expired", async () => {
    server.hasStreamingList = false;
    server.misbehaviours.push(status(422, "no streaming list"), (response) => {
      const metadata = { resourceVersion: "1", continue: "old" };
      response.end(JSON.stringify({ metadata, items: [{ metadata: { name: "half" } }] }));
    });
    await startWith("orders");
    expect(server.requests.map((query) => query.get("continue")).slice(0, 4)).toEqual([
      null,
      null,
      "old",
      null,
    ]);
  });

  it("shows nothing before it is whole", async () => {
    server.misbehaviours.push(
      sends(line("ADDED", { metadata: { name: "x", resourceVersion: "1" } })),
    );
    watch.start();
    await until(() => server.requests.length === 1);
    expect(watch.status()).toMatchObject({ state: "listing", synced: false });
    expect(clock.fire(30_000)).toBe(true);
    await untilEqual();
    expect(names()).toEqual([]);
  });

  it("of a resource that an old server does not have is empty, and looked for again", async () => {
    server.put("orders");
    server.misbehaviours.push(status(404, "not found"));
    watch.start();
    await until(() => watch.status().state === "absent");
    expect(watch.status()).toMatchObject({ synced: true, failure: undefined });
    expect(watch.status().note).toContain("has no services");
    expect(state.isSynced("Service")).toBe(true);
    await until(() => clock.fire(600_000));
    await untilEqual();
    expect(watch.status().note).toBe("");
  });
});

describe("a watch", () => {
  it("goes on from the last bookmark when the server ends it in order", async () => {
    await startWith("orders");
    server.put("carts");
    server.bookmark();
    await until(() => watch.status().resourceVersion === server.version);
    server.endWatches("end");
    await until(() => server.requests.length === 2);
    expect(lastRequest()).toMatchObject({ resourceVersion: server.version });
    expect(watch.status().restarts).toBe(0);
    expect(clock.delays).toEqual([]);
  });

  it("is not made again without a pause when it ends at once again and again", async () => {
    await startWith("orders");
    server.misbehaviours.push(sends("\n", "end"), sends("\n", "end"), sends("\n", "end"));
    server.endWatches("cut");
    await until(() => server.requests.length === 5);
    expect(clock.delays).toEqual([375, 750, 1_500, 3_000]);
  });

  it("goes on after a cut in the middle of a line, and takes nothing of that line", async () => {
    await startWith("orders");
    server.sendRaw(
      line("DELETED", { metadata: { name: "orders", resourceVersion: "999" } }).slice(0, -9),
    );
    server.endWatches("cut");
    server.put("carts");
    await untilEqual();
    expect(watch.status()).toMatchObject({ lists: 1, restarts: 1 });
  });

  it("lists again after 410 as an HTTP status", async () => {
    await startWith("carts", "orders");
    server.endWatches("cut");
    server.delete("carts");
    server.compact();
    await untilEqual();
    expect(watch.status().lists).toBe(2);
    expect(names()).toEqual(["orders"]);
  });

  it("lists again after 410 as an event", async () => {
    await startWith("carts", "orders");
    server.sendRaw(line("ERROR", { kind: "Status", code: 410, message: "too old" }));
    await until(() => watch.status().lists === 2);
    expect(statuses.some((each) => each.failure?.code === "gone")).toBe(true);
    await untilEqual();
  });

  it("lists again when the server is behind what was seen", async () => {
    await startWith("orders");
    server.misbehaviours.push(status(504, "Too large resource version: 9, current: 3"));
    server.endWatches("cut");
    await until(() => watch.status().lists === 2);
  });

  it("asks again after a broken line, and lists anew after three in a row", async () => {
    await startWith("orders");
    server.sendRaw('{"type":"ADDED","object":{"metadata"}}\n');
    await until(() => server.requests.length === 2);
    expect(watch.status().lists).toBe(1);
    server.misbehaviours.push(sends("nonsense\n"), sends("nonsense\n"), sends("nonsense\n"));
    server.endWatches("cut");
    await until(() => watch.status().lists === 2);
    expect(statuses.at(-2)?.failure?.message).toContain("nonsense");
  });

  it("takes events twice and leaves out those from before", async () => {
    await startWith("orders");
    server.put("carts");
    const newest = server.version;
    server.sendRaw(
      line("ADDED", { metadata: { namespace: "shop", name: "carts", resourceVersion: newest } }),
    );
    server.sendRaw(
      line("DELETED", { metadata: { namespace: "shop", name: "orders", resourceVersion: "99" } }),
    );
    await until(() => watch.status().staleEvents === 1);
    await untilEqual();
    expect(watch.status().resourceVersion).toBe(newest);
  });

  it("that goes silent is made again", async () => {
    await startWith("orders");
    expect(clock.fire(180_000)).toBe(true);
    await until(() => server.requests.length === 2);
    await untilEqual();
    expect(watch.status()).toMatchObject({ restarts: 1, lists: 1, failure: undefined });
  });
});

describe("a server that is not well", () => {
  it("is asked again with growing pauses, and everything is told to people", async () => {
    await startWith("orders");
    for (let count = 0; count < 7; count += 1)
      server.misbehaviours.push(status(500, "etcd is away"));
    server.endWatches("cut");
    server.put("carts");
    await until(() => watch.status().failure?.code === "unwell");
    await untilEqual();
    expect(clock.delays).toEqual([375, 750, 1_500, 3_000, 6_000, 7_500, 7_500, 7_500]);
    expect(watch.status()).toMatchObject({ failure: undefined, restarts: 8, lists: 1 });
    const told = statuses.find((each) => each.failure?.code === "unwell")?.failure;
    expect(told?.message).toBe("The API server could not watch services (500): etcd is away");
  });

  it("is given the time that it asks for", async () => {
    server.misbehaviours.push(status(429, "too many requests", { "retry-after": "20" }));
    watch.start();
    await until(() => clock.fire(20_000));
    await untilEqual();
  });

  it("that does not answer is left and asked again", async () => {
    server.misbehaviours.push(() => {});
    watch.start();
    await until(() => server.requests.length === 1);
    expect(clock.fire(30_000)).toBe(true);
    await until(() => statuses.some((each) => each.failure?.code === "unreachable"));
    await untilEqual();
  });

  it("that denies a right is told with the right that is missing", async () => {
    server.misbehaviours.push(status(403, "services is forbidden"));
    watch.start();
    await until(() => statuses.length > 0);
    const { message, hint } = statuses[0]?.failure ?? {};
    expect(message).toBe("Portico may not watch services (403): services is forbidden");
    expect(hint).toContain('resources: ["services"], verbs: ["list", "watch"]');
    await untilEqual();
  });
});

describe("objects", () => {
  it("that are bad are reported and counted, until they are well or gone", async () => {
    await startWith("orders");
    server.put("bad", { clusterIP: "nonsense", ports: [{ port: 0 }] });
    await until(() => watch.status().badObjects === 1);
    expect(problems.get("Service shop/bad")?.length).toBe(2);
    server.put("bad");
    await until(() => watch.status().badObjects === 0);
    expect(problems.get("Service shop/bad")).toEqual([]);
  });

  it("that were bad and vanished while nobody watched are well", async () => {
    server.put("bad", { clusterIP: "nonsense" });
    await startWith("orders");
    expect(watch.status().badObjects).toBe(1);
    server.endWatches("cut");
    server.delete("bad");
    server.compact();
    await untilEqual();
    expect(watch.status().badObjects).toBe(0);
    expect(problems.get("Service shop/bad")).toEqual([]);
  });
});

it("stops in the middle of anything, and nothing comes after", async () => {
  await startWith("orders");
  await watch.stop();
  server.put("carts");
  expect(watch.status().state).toBe("stopped");
  await until(() => server.openWatches === 0);
  expect(names()).toEqual(["orders"]);
});
