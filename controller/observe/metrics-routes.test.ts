import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../clock.ts";
import { envoyMetrics } from "./envoy-metrics.ts";
import { HttpEndpoint } from "./http-endpoint.ts";
import { createLog } from "./log.ts";
import { metricsRoutes } from "./metrics-routes.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "portico-metrics-"));
  cleanUps.push(() => rmSync(path, { recursive: true }));
  return path;
}

async function served(profiling = false, adminSocket = "/nowhere/admin.sock") {
  const endpoint = new HttpEndpoint({
    name: "metrics",
    bind: { address: "127.0.0.1", port: 0 },
    routes: metricsRoutes({
      metrics: async () => ({ type: "text/plain; version=0.0.4", body: "a 1\n" }),
      envoyMetrics: () => envoyMetrics(adminSocket),
      configz: () => ({ "kubeproxy.config.k8s.io": { kind: "KubeProxyConfiguration" } }),
      profiling,
    }),
    hardFail: true,
    clock: systemClock,
    log: createLog("error"),
  });
  await endpoint.start();
  cleanUps.push(() => endpoint.stop());
  return async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`);
    const type = response.headers.get("content-type");
    return { status: response.status, type, body: await response.text() };
  };
}

it("answers kube-proxy's paths", async () => {
  const ask = await served();
  const plain = "text/plain; charset=utf-8";
  expect(await ask("/healthz")).toEqual({ status: 200, type: plain, body: "ok" });
  expect(await ask("/proxyMode")).toEqual({ status: 200, type: plain, body: "portico" });
  expect(await ask("/metrics")).toEqual({
    status: 200,
    type: "text/plain; version=0.0.4",
    body: "a 1\n",
  });
  expect(await ask("/configz")).toEqual({
    status: 200,
    type: "application/json",
    body: '{"kubeproxy.config.k8s.io":{"kind":"KubeProxyConfiguration"}}',
  });
  expect((await ask("/debug/pprof/profile")).status).toBe(404);
});

it("passes Envoy's metrics on, and says when there is no Envoy", async () => {
  const socket = join(directory(), "admin.sock");
  const ask = await served(false, socket);
  expect(await ask("/metrics/envoy")).toMatchObject({ status: 503 });
  const admin = createServer((request, response) => {
    response.writeHead(200).end(`asked for ${request.url}\n`);
  }).listen(socket);
  await once(admin, "listening");
  cleanUps.push(() => admin.close());
  expect(await ask("/metrics/envoy")).toMatchObject({
    status: 200,
    body: "asked for /stats/prometheus\n",
  });
});

it("takes profiles where that is enabled, one at a time", async () => {
  const ask = await served(true);
  const [first, second] = await Promise.all([
    ask("/debug/pprof/profile?seconds=0.1"),
    ask("/debug/pprof/heap?seconds=0.1"),
  ]);
  expect([first.status, second.status].sort()).toEqual([200, 409]);
  expect(JSON.parse((await ask("/debug/pprof/profile?seconds=0.01")).body)).toHaveProperty("nodes");
  expect(JSON.parse((await ask("/debug/pprof/heap?seconds=0.01")).body)).toHaveProperty("head");
  expect((await ask("/debug/pprof/profile?seconds=soon")).status).toBe(400);
});
