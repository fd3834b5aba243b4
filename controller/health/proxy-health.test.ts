import { expect, it } from "vitest";
import type { Node } from "../model/types.ts";
import { isNodeEligible, ProxyHealth } from "./proxy-health.ts";

const START = Date.UTC(2026, 0, 1);
const TIMEOUT_MS = 60_000;

function healthAt() {
  const clock = { time: START, now: () => clock.time, after: () => () => {} };
  const health = new ProxyHealth({ clock, timeoutMs: TIMEOUT_MS, families: ["IPv4", "IPv6"] });
  return { clock, health };
}

it("is healthy while it starts, whatever is queued", () => {
  const { clock, health } = healthAt();
  health.queued();
  clock.time += 10 * TIMEOUT_MS;
  expect(health.livez()).toEqual({
    healthy: true,
    body:
      '{"lastUpdated":"2026-01-01T00:10:00.000Z","currentTime":"2026-01-01T00:10:00.000Z",' +
      '"healthy":true}',
  });
});

it("is unhealthy from the moment that the oldest change waits too long, until it is in", () => {
  const { clock, health } = healthAt();
  health.updated();
  clock.time += TIMEOUT_MS;
  expect(health.isHealthy()).toBe(true);
  health.queued();
  clock.time += TIMEOUT_MS - 1;
  health.queued();
  expect(health.isHealthy()).toBe(true);
  clock.time += 1;
  expect(health.isHealthy()).toBe(false);
  health.updated();
  expect(health.isHealthy()).toBe(true);
  clock.time += TIMEOUT_MS;
  expect(health.isHealthy()).toBe(true);
});

it("answers with kube-proxy's fields", () => {
  const { clock, health } = healthAt();
  health.updated();
  health.queued();
  clock.time += TIMEOUT_MS;
  const family = { lastUpdated: "2026-01-01T00:00:00.000Z", healthy: false };
  const unhealthy = {
    lastUpdated: "2026-01-01T00:00:00.000Z",
    currentTime: "2026-01-01T00:01:00.000Z",
    nodeEligible: true,
    healthy: false,
    status: { IPv4: family, IPv6: family },
  };
  expect(health.healthz(true)).toEqual({ healthy: false, body: JSON.stringify(unhealthy) });
  const { nodeEligible: _, ...live } = unhealthy;
  expect(health.livez()).toEqual({ healthy: false, body: JSON.stringify(live) });
});

it("lets a node that is about to go fail /healthz alone, and calls the proxy healthy", () => {
  const { clock, health } = healthAt();
  expect(JSON.parse(health.healthz(false).body)).toMatchObject({
    lastUpdated: "0001-01-01T00:00:00Z",
  });
  health.updated();
  clock.time += 1_000;
  const { healthy, body } = health.healthz(false);
  expect(healthy).toBe(false);
  expect(JSON.parse(body)).toMatchObject({
    lastUpdated: "2026-01-01T00:00:00.000Z",
    nodeEligible: false,
    healthy: true,
  });
  expect(health.livez().healthy).toBe(true);
});

it("counts a node as eligible unless it is gone, going, or about to be removed", () => {
  const node: Node = {
    name: "a",
    addresses: [],
    podCIDRs: [],
    labels: {},
    taintKeys: ["node.kubernetes.io/unschedulable"],
    deleting: false,
  };
  expect(isNodeEligible(node)).toBe(true);
  expect(isNodeEligible({ ...node, deleting: true })).toBe(false);
  const tainted = { ...node, taintKeys: ["a", "ToBeDeletedByClusterAutoscaler"] };
  expect(isNodeEligible(tainted)).toBe(false);
  expect(isNodeEligible(undefined)).toBe(false);
});
