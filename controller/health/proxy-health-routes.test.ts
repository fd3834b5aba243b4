import { expect, it } from "vitest";
import { ProxyHealth } from "./proxy-health.ts";
import { proxyHealthRoutes } from "./proxy-health-routes.ts";

it("answers 200 or 503, and tells of each", async () => {
  let eligible = true;
  const told: string[] = [];
  const clock = { time: 0, now: () => clock.time, after: () => () => {} };
  const health = new ProxyHealth({ clock, timeoutMs: 1_000, families: ["IPv4"] });
  const routes = proxyHealthRoutes({
    health,
    isNodeEligible: () => eligible,
    answered: (path, status) => told.push(`${path} ${status}`),
  });
  const ask = async () => {
    for (const path of ["/healthz", "/livez"]) await routes[path]?.(new URLSearchParams());
    return told.splice(0);
  };
  health.updated();
  expect(await ask()).toEqual(["healthz 200", "livez 200"]);
  eligible = false;
  expect(await ask()).toEqual(["healthz 503", "livez 200"]);
  eligible = true;
  health.queued();
  clock.time += 1_000;
  expect(await ask()).toEqual(["healthz 503", "livez 503"]);
  const answer = await routes["/healthz"]?.(new URLSearchParams());
  expect(answer).toMatchObject({ status: 503, type: "application/json" });
});
