import { expect, it } from "vitest";
import { frontendOf } from "../../test/stand-ins/frontends.ts";
import { matches, ServiceIndex } from "./service-index.ts";

const orders = frontendOf("shop/orders", "10.96.0.1:80", ["10.1.1.1:8080", "10.1.1.2:8080"]);
const ordersOutside = frontendOf("shop/orders", "192.0.2.9:80", ["10.1.1.1:8080"], {
  kind: "ExternalIP",
});
const payments = frontendOf("shop/payments", "10.96.0.2:80", []);

it("gathers the frontends of each Service, cluster IPs first", () => {
  const index = new ServiceIndex();
  index.apply({ upserted: [ordersOutside, payments, orders], removed: [] });
  expect(index.sorted().map(({ key }) => key)).toEqual(["shop/orders", "shop/payments"]);
  const found = index.get("shop/orders");
  expect(found?.frontends).toEqual([orders, ordersOutside]);
  expect([...(found?.backends.keys() ?? [])]).toEqual(["10.1.1.1:8080", "10.1.1.2:8080"]);
});

it("tells what each Service was and is", () => {
  const index = new ServiceIndex();
  index.apply({ upserted: [orders, payments], removed: [] });
  const [change, ...others] = index.apply({ upserted: [], removed: [orders.key] });
  expect(change).toMatchObject({ key: "shop/orders", before: { name: "orders" } });
  expect(change?.after).toBeUndefined();
  expect(others).toEqual([]);
  expect(index.sorted().map(({ key }) => key)).toEqual(["shop/payments"]);
});

it("takes a frontend from the Service that lost it", () => {
  const index = new ServiceIndex();
  index.apply({ upserted: [ordersOutside, orders], removed: [] });
  const taken = { ...ordersOutside, service: "shop2" };
  const changed = index.apply({ upserted: [taken], removed: [] }).map(({ key }) => key);
  expect(changed).toEqual(["shop/orders", "shop/shop2"]);
  expect(index.get("shop/orders")?.frontends).toEqual([orders]);
  expect(index.get("shop/shop2")?.frontends).toEqual([taken]);
});

it.each([
  ["serving", [orders]],
  ["partly", [orders, frontendOf("shop/orders", "192.0.2.9:80", [])]],
  ["partly", [{ ...orders, verdict: "short-circuit" as const }]],
  ["refusing", [{ ...orders, verdict: "drop" as const }]],
])("calls it %s", (health, upserted) => {
  const index = new ServiceIndex();
  index.apply({ upserted, removed: [] });
  expect(index.get("shop/orders")?.health).toBe(health);
});

it.each([
  [["ord"], true],
  [["shop/", "orders"], true],
  [["10.96.0.1:80"], true],
  [["10.1.1.2"], true],
  [["/tcp"], true],
  [["shop", "10.1.1.3"], false],
  [["payments"], false],
  [[], true],
])("is found by %j: %j", (words, found) => {
  const index = new ServiceIndex();
  index.apply({ upserted: [orders], removed: [] });
  const service = index.get("shop/orders");
  expect(service && matches(service, words)).toBe(found);
});
