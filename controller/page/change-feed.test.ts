import { expect, it } from "vitest";
import { frontendOf } from "../../test/stand-ins/frontends.ts";
import type { Frontend } from "../node/types.ts";
import type { Clock } from "../system/clock.ts";
import { ChangeFeed } from "./change-feed.ts";
import { ServiceIndex } from "./service-index.ts";

const MINUTE = 60_000;
const DOOR = "10.96.0.1:80";

function makeFeed() {
  let time = 1_000_000;
  const clock: Clock = { now: () => time, after: () => () => {} };
  const feed = new ChangeFeed(clock);
  const pass = (milliseconds: number) => {
    time += milliseconds;
  };
  return { feed, pass };
}

/** Returns the entry for a change of one Service. */
function said(before: Frontend[], after: Frontend[], removed: string[] = []) {
  const index = new ServiceIndex();
  index.apply({ upserted: before, removed: [] });
  const { feed } = makeFeed();
  feed.addSync(index.apply({ upserted: after, removed }));
  return feed.latest(10).map(({ level, service, text }) => [level, service, text]);
}

const orders = (...backends: string[]) => frontendOf("shop/orders", DOOR, backends);

it.each([
  [[], [orders("10.1.1.1:80")], "good", "appeared, with 1 backend"],
  [[], [orders()], "bad", "appeared, without a backend"],
  [
    [orders("10.1.1.1:80")],
    [orders("10.1.1.2:80")],
    "good",
    "backend 10.1.1.2:80 joined; backend 10.1.1.1:80 left",
  ],
  [
    [orders("10.1.1.1:80")],
    [orders()],
    "bad",
    "backend 10.1.1.1:80 left; it has no backend now: connections fail",
  ],
  [
    [orders()],
    [orders("10.1.1.1:80")],
    "good",
    "backend 10.1.1.1:80 joined; every frontend has a backend again",
  ],
  [
    [orders("a:1")],
    [orders("a:1", "b:1", "c:1", "d:1", "e:1", "f:1")],
    "good",
    "backends b:1, c:1, d:1 and 2 more joined",
  ],
  [
    [orders("a:1")],
    [frontendOf("shop/orders", "192.0.2.1:80", ["a:1"])],
    "good",
    "frontend 192.0.2.1:80/TCP joined",
  ],
  [
    [orders("a:1")],
    [{ ...orders("a:1"), affinityTimeoutSeconds: 9 }],
    "good",
    "its settings changed",
  ],
] as const)("says what changed: %#", (before, after, level, text) => {
  expect(said([...before], [...after])).toEqual([[level, "shop/orders", text]]);
});

it("says that a Service is gone", () => {
  const before = orders("10.1.1.1:80");
  expect(said([before], [], [before.key])).toEqual([["warn", "shop/orders", "is gone"]]);
});

it("makes one entry of a sync that changes very many Services", () => {
  const many = Array.from({ length: 300 }, (_, n) =>
    frontendOf(`shop/service-${n}`, `10.96.1.${n}:80`, n < 7 ? [] : ["10.1.1.1:80"]),
  );
  expect(said([], many)).toEqual([
    ["bad", "", "300 Services changed; 7 of them now have no backend"],
  ]);
});

it("gives the newest first, of one Service if that is wanted", () => {
  const { feed } = makeFeed();
  feed.add("good", "one");
  feed.add("warn", "two", "shop/orders");
  feed.add("good", "three");
  expect(feed.latest(2).map(({ text }) => text)).toEqual(["three", "two"]);
  expect(feed.latest(9, "shop/orders").map(({ text }) => text)).toEqual(["two"]);
});

it("forgets what is old, and what is too much", () => {
  const { feed, pass } = makeFeed();
  feed.add("good", "old");
  pass(14 * MINUTE);
  feed.add("good", "young");
  expect(feed.latest(9)).toHaveLength(2);
  pass(2 * MINUTE);
  expect(feed.latest(9).map(({ text }) => text)).toEqual(["young"]);
  for (let n = 0; n < 2_000; n++) feed.add("good", String(n));
  expect(feed.latest(5_000)).toHaveLength(500);
  expect(feed.latest(1)[0]?.text).toBe("1999");
  pass(60 * MINUTE);
  expect(feed.latest(9)).toEqual([]);
});
