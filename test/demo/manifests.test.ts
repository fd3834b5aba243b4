import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Manifests } from "./manifests.ts";

const SHIPPED = new URL("../../deploy/demo", import.meta.url).pathname;
const FILE = "orders-api.yaml";

let directory: string;
let manifests: Manifests;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "manifests-"));
  manifests = await Manifests.copy(SHIPPED, directory);
});
afterEach(() => rm(directory, { recursive: true }));

const textOf = (folder: string) => readFile(join(folder, FILE), "utf8");
const podsOf = async (app: string) => (await manifests.pods()).filter((pod) => pod.app === app);

it("reads the store", async () => {
  expect(await manifests.nodeName()).toBe("node-1");
  const services = await manifests.services();
  expect(services.map(({ name }) => name)).toEqual(["frontend", "orders-api", "payments"]);
  expect(services[0]).toMatchObject({ clusterIP: "10.96.0.10", port: 80, nodePort: 30080 });
  expect(await podsOf("payments")).toEqual([
    { name: "payments-1", app: "payments", address: "10.1.1.30", port: 9000 },
  ]);
});

it("changes one line for a selector, and gives the same file back when it is undone", async () => {
  const before = await textOf(SHIPPED);
  await manifests.select("orders-api", "order-api");
  const changed = before.replace(
    "  selector:\n    app: orders-api",
    "  selector:\n    app: order-api",
  );
  expect(changed).not.toBe(before);
  expect(await textOf(directory)).toBe(changed);
  await manifests.select("orders-api", "orders-api");
  expect(await textOf(directory)).toBe(before);
});

it("replaces Pods, also the one that others are made like", async () => {
  const [first, ...rest] = await podsOf("orders-api");
  if (first === undefined) throw new Error("no Pod");
  const added = { ...first, name: "orders-api-4", address: "10.1.1.24" };
  await manifests.replacePods("orders-api", [added], [first]);
  expect(await podsOf("orders-api")).toEqual([...rest, added]);
  expect(await textOf(directory)).not.toContain(first.address);
});

it("marks Pods as leaving, to the second", async () => {
  const [first] = await podsOf("orders-api");
  if (first === undefined) throw new Error("no Pod");
  await manifests.beginDeletion("orders-api", [first], new Date("2026-01-02T03:04:05.678Z"));
  const text = await textOf(directory);
  expect(text.match(/deletionTimestamp: .*/g)).toEqual(["deletionTimestamp: 2026-01-02T03:04:05Z"]);
});
