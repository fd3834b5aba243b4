import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../../test/eventually.ts";
import { systemClock } from "../system/clock.ts";
import type { HealthCheck } from "./service-health.ts";
import { ServiceHealthServer } from "./service-health-server.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

async function occupied(host: string, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer().listen({ host, port });
  opened.push(server);
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

/** Returns a port that is free on every loopback address at the moment. */
async function freePort(): Promise<number> {
  const { server, port } = await occupied("0.0.0.0");
  server.close();
  await once(server, "close");
  return port;
}

function check(port: number, fields: Partial<HealthCheck> = {}): HealthCheck {
  const service = { namespace: "shop", name: "web", uid: "" };
  return { ...service, family: "IPv4", port, localEndpoints: 1, ...fields };
}

function serverWith(isProxyHealthy = () => true) {
  const failures: string[] = [];
  const server = new ServiceHealthServer({
    isProxyHealthy,
    clock: systemClock,
    cannotListen: ({ name }, where, error) => failures.push(`${name} ${where} ${error.message}`),
  });
  opened.push(server);
  return { server, failures };
}

/** Returns "200 1" (status and weight), or the error's code. */
async function ask(host: string, port: number, path = "/"): Promise<string> {
  try {
    const response = await fetch(`http://${host}:${port}${path}`);
    const weight = response.headers.get("x-load-balancing-endpoint-weight");
    await response.text();
    return `${response.status} ${weight}`;
  } catch (error) {
    return ((error as Error).cause as NodeJS.ErrnoException).code ?? "";
  }
}

async function answers(expected: string, host: string, port: number): Promise<void> {
  let last = "";
  await eventually(`${expected} from ${host}:${port}`, 20_000, async () => {
    last = await ask(host, port);
    return last === expected;
  }).catch((error: Error) => {
    throw new Error(`${error.message}, but ${last}`);
  });
  expect(last).toBe(expected);
}

it("answers on any path, with kube-proxy's headers and body", async () => {
  const port = await freePort();
  const { server } = serverWith();
  server.serve([check(port, { localEndpoints: 2 })], ["127.0.0.1"]);
  await answers("200 2", "127.0.0.1", port);
  const response = await fetch(`http://127.0.0.1:${port}/any/path?at=all`, { method: "POST" });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
    "x-load-balancing-endpoint-weight": "2",
  });
  expect(await response.json()).toEqual({
    service: { namespace: "shop", name: "web" },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
});

it("says no without local endpoints, and when the proxy is not healthy", async () => {
  const port = await freePort();
  let healthy = true;
  const { server } = serverWith(() => healthy);
  server.serve([check(port)], ["127.0.0.1"]);
  await answers("200 1", "127.0.0.1", port);
  healthy = false;
  await answers("503 1", "127.0.0.1", port);
  healthy = true;
  server.serve([check(port, { localEndpoints: 0 })], ["127.0.0.1"]);
  await answers("503 0", "127.0.0.1", port);
});

it("opens and closes ports and addresses as the Services want", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const { server, failures } = serverWith();
  server.serve([check(first)], ["127.0.0.1", "127.0.0.2", "::1"]);
  await answers("200 1", "127.0.0.1", first);
  await answers("200 1", "127.0.0.2", first);
  server.serve([check(second)], ["127.0.0.2"]);
  await answers("200 1", "127.0.0.2", second);
  expect(await ask("127.0.0.1", first)).toBe("ECONNREFUSED");
  expect(await ask("127.0.0.1", second)).toBe("ECONNREFUSED");
  server.serve([check(second, { name: "api", localEndpoints: 5 })], ["127.0.0.2"]);
  await answers("200 5", "127.0.0.2", second);
  server.serve([], ["127.0.0.2"]);
  expect(await ask("127.0.0.2", second)).toBe("ECONNREFUSED");
  expect(failures).toEqual([]);
});

it("serves a dual-stack Service's families each on its own addresses", async () => {
  const port = await freePort();
  const { server } = serverWith();
  const six = check(port, { family: "IPv6", localEndpoints: 6 });
  server.serve([check(port), six], ["0.0.0.0", "::"]);
  await answers("200 1", "127.0.0.1", port);
  await answers("200 6", "[::1]", port);
});

it("reports a port it cannot have, serves the other addresses, and tries again", async () => {
  const { server: holder, port } = await occupied("127.0.0.1");
  const { server, failures } = serverWith();
  server.serve([check(port)], ["127.0.0.1", "127.0.0.2"]);
  await answers("200 1", "127.0.0.2", port);
  await eventually("a failure", 5_000, async () => failures.length > 0);
  expect(failures).toEqual([
    `web 127.0.0.1:${port} listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  ]);
  holder.close();
  await once(holder, "close");
  await answers("200 1", "127.0.0.1", port);
  expect(failures).toHaveLength(1);
});

it("tells again of a port it still cannot have when there is something new to serve", async () => {
  const { port } = await occupied("127.0.0.1");
  const { server, failures } = serverWith();
  server.serve([check(port)], ["127.0.0.1"]);
  await eventually("a failure", 20_000, async () => failures.length === 1);
  server.serve([check(port)], ["127.0.0.1"]);
  await eventually("another", 20_000, async () => failures.length === 2);
  expect(new Set(failures).size).toBe(1);
});

it("leaves a port to the Service that has it", async () => {
  const port = await freePort();
  const { server, failures } = serverWith();
  const both = [check(port), check(port, { name: "api", localEndpoints: 9 })];
  server.serve(both, ["127.0.0.1"]);
  await answers("200 1", "127.0.0.1", port);
  server.serve(both.reverse(), ["127.0.0.1"]);
  await answers("200 1", "127.0.0.1", port);
  expect(new Set(failures)).toEqual(
    new Set([`api 127.0.0.1:${port} Service shop/web has this healthCheckNodePort`]),
  );
});

it("does not listen when it was closed before it could", async () => {
  const [port, later] = [await freePort(), await freePort()];
  const closed = serverWith().server;
  closed.serve([check(port)], ["127.0.0.1"]);
  closed.close();
  serverWith().server.serve([check(later)], ["127.0.0.1"]);
  await answers("200 1", "127.0.0.1", later);
  expect(await ask("127.0.0.1", port)).toBe("ECONNREFUSED");
});
