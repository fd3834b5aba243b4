import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { HttpEndpoint } from "../http/endpoint.ts";
import { systemClock } from "../system/clock.ts";
import { envoyMetrics } from "./envoy-metrics.ts";
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
      facts: {
        version: "1.2.3",
        startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
        now: () => Date.UTC(2026, 0, 3, 4, 6, 7),
        settings: { withEnvoy: true, runDir: "/run/portico", markBit: 12, configFile: undefined },
      },
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

it("says what is running, and with what, as Kubernetes' components do", async () => {
  const ask = await served();
  const status = (await ask("/statusz")).body;
  expect(status).toContain("\nStarted: Fri, 02 Jan 2026 03:04:05 GMT\nUp: 25 hr 02 min 02 sec\n");
  expect(status).toContain("\nBinary version: 1.2.3\n");
  expect(status).toMatch(/^Paths: .*\/healthz \/metrics .*\/proxyMode$/m);
  expect((await ask("/flagz")).body).toMatch(
    /only\.\nconfig-file=\nmark-bit=12\nrun-dir=\/run\/portico\nwith-envoy=true\n$/,
  );
});

it("counts how its health checks went", async () => {
  const ask = await served();
  const start = Date.UTC(2026, 0, 2, 3, 4, 5) / 1_000;
  expect((await ask("/metrics/slis")).body).toContain(`process_start_time_seconds ${start}\n`);
  await ask("/healthz");
  await ask("/healthz");
  const { body } = await ask("/metrics/slis");
  expect(body).toContain('kubernetes_healthcheck{name="ping",type="healthz"} 1\n');
  expect(body).toContain('healthchecks_total{name="ping",type="healthz",status="success"} 2\n');
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

it("does not pass on half an answer of Envoy's", async () => {
  const socket = join(directory(), "admin.sock");
  const admin = createServer((_request, response) => {
    response.writeHead(200, { "content-length": 1_000 }).write("half\n", () => response.destroy());
  }).listen(socket);
  await once(admin, "listening");
  cleanUps.push(() => admin.close());
  const ask = await served(false, socket);
  expect(await ask("/metrics/envoy")).toMatchObject({ status: 503, body: "Envoy: aborted\n" });
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
