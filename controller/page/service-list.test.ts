import { expect, it } from "vitest";
import { frontendOf } from "../../test/stand-ins/frontends.ts";
import { ServiceIndex } from "./service-index.ts";
import { type KnownOfServices, serviceList, serviceMap, serviceQueryFrom } from "./service-list.ts";

const NAMES = ["a/one", "a/two", "b/three", "b/four", "b/five"];
const index = new ServiceIndex();
index.apply({
  upserted: NAMES.map((name, n) =>
    frontendOf(name, `10.96.0.${n}:80`, name === "b/four" ? [] : [`10.1.1.${n}:80`]),
  ),
  removed: [],
});

const QUIET = {
  openConnections: 0,
  failuresPerSecond: 0,
  receivedBytesPerSecond: 0,
  sentBytesPerSecond: 0,
};
const RATES: Record<string, number> = { "a/two": 5_000, "b/three": 3 };
const known: KnownOfServices = {
  problems: (key) => (key === "a/one" ? 2 : 0),
  traffic: (key) => ({ ...QUIET, connectionsPerSecond: RATES[key] ?? 0 }),
  changedAt: (key) => (key === "b/three" ? 77 : undefined),
};

function ask(query: string) {
  const { total, offset, rows } = serviceList(
    index.sorted(),
    serviceQueryFrom(new URLSearchParams(query)),
    known,
  );
  return { total, offset, names: rows.map(({ name }) => name) };
}

it("lists by name", () => {
  const names = ["one", "two", "five", "four", "three"];
  expect(ask("")).toEqual({ total: 5, offset: 0, names });
});

it("gives one page, and the last for one beyond the end", () => {
  expect(ask("limit=2&offset=2")).toEqual({ total: 5, offset: 2, names: ["five", "four"] });
  expect(ask("limit=2&offset=4")).toEqual({ total: 5, offset: 4, names: ["three"] });
  expect(ask("limit=2&offset=900")).toEqual({ total: 5, offset: 4, names: ["three"] });
  expect(ask("limit=2&offset=900&search=one")).toEqual({ total: 1, offset: 0, names: ["one"] });
});

it.each(["limit=-1", "limit=x", "offset=-3", "offset=1.5", "sort=nothing", "show=nothing"])(
  "takes %s for nothing said",
  (query) => {
    expect(ask(query)).toEqual(ask(""));
  },
);

it("never gives more than 200 rows", () => {
  expect(serviceQueryFrom(new URLSearchParams("limit=100000")).limit).toBe(200);
});

it("sorts by traffic, and by the last change", () => {
  expect(ask("sort=traffic").names).toEqual(["two", "three", "one", "five", "four"]);
  expect(ask("sort=changed").names[0]).toBe("three");
});

it("finds what somebody should look at", () => {
  expect(ask("show=attention")).toEqual({ total: 2, offset: 0, names: ["one", "four"] });
  expect(ask("show=attention&search=b/")).toEqual({ total: 1, offset: 0, names: ["four"] });
});

it("maps them all, in the same order", () => {
  expect(serviceMap(index.sorted(), serviceQueryFrom(new URLSearchParams()), known)).toEqual({
    namespaces: [
      { name: "a", count: 2 },
      { name: "b", count: 3 },
    ],
    health: "Sssrs",
    load: "09003",
  });
});
