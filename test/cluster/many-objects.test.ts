// 1,000 Services: as a streaming list, and in pages from a server that has no streaming list.

import { expect, it } from "vitest";
import { ControlPlane } from "./control-plane.ts";
import { Follower } from "./follower.ts";
import { Objects } from "./objects.ts";

const SERVICES = 1_000;
const AT_ONCE = 50;

async function createServices(objects: Objects): Promise<void> {
  const ports = [{ port: 80 }];
  for (let first = 0; first < SERVICES; first += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, index) => `service-${first + index}`);
    await Promise.all(some.map((name) => objects.createService({ name, spec: { ports } })));
  }
}

it.each([
  { list: "a streaming list", apiServerFlags: [] },
  { list: "pages", apiServerFlags: ["--feature-gates=WatchList=false"] },
])("$list", { timeout: 900_000 }, async ({ list, apiServerFlags }) => {
  const plane = await ControlPlane.start({ apiServerFlags });
  try {
    const objects = new Objects(plane.kubeConfig());
    await createServices(objects);
    const follower = new Follower(plane.access("proxy"));
    const isSynced = () => follower.state.isSynced();
    await expect.poll(isSynced, { timeout: 20_000, interval: 5 }).toBe(true);
    expect(follower.state.services.size).toBe(SERVICES + 1); // and the Service kubernetes
    expect(follower.failureCodes).toEqual([]);
    const notes = follower.status.map(({ note }) => note.startsWith("Listed in pages"));
    expect(notes).toEqual(Array(4).fill(list === "pages"));
    await objects.deleteService("service-7");
    const count = () => follower.state.services.size;
    await expect.poll(count, { timeout: 10_000, interval: 5 }).toBe(SERVICES);
    await follower.stop();
  } finally {
    await plane.stop();
  }
});
