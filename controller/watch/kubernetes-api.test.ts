import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { status, TestServer } from "../../test/stand-ins/list-watch-server.ts";
import { KubernetesApi } from "./kubernetes-api.ts";

describe("a request", () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await TestServer.start();
  });
  afterEach(() => server.stop());
  const signal = new AbortController().signal;

  it("says what the server asks to wait", async () => {
    const api = new KubernetesApi(() => server.access(), "test");
    server.misbehaviours.push(status(429, "", { "retry-after": "7" }));
    server.misbehaviours.push(status(429, "", { "retry-after": "tomorrow" }));
    expect((await api.get("/", {}, signal)).retryAfterMs).toBe(7_000);
    expect((await api.get("/", {}, signal)).retryAfterMs).toBe(0);
  });

  it("reads the configuration again after credentials were not accepted", async () => {
    let loaded = 0;
    const load = () => {
      loaded += 1;
      return server.access();
    };
    const api = new KubernetesApi(load, "test");
    server.misbehaviours.push(status(401, ""));
    await api.get("/", {}, signal);
    await api.get("/", {}, signal);
    expect(loaded).toBe(2);
  });

  it("follows a configuration that names another address, of another scheme", async () => {
    const access = server.access();
    const addresses = [access.server.replace("http:", "https:"), access.server];
    const load = () => ({ ...access, server: addresses.shift() ?? access.server });
    const api = new KubernetesApi(load, "test");
    await expect(api.get("/", {}, signal)).rejects.toThrow();
    expect((await api.get("/", {}, signal)).status).toBe(200);
  });

  it("fails with a code for credentials that cannot be made", async () => {
    const access = server.access();
    const token = { text: "", file: "/nowhere/token" };
    const insecure = { ...access, server: access.server.replace("http:", "https:") };
    const api = new KubernetesApi(() => ({ ...insecure, user: { ...access.user, token } }), "test");
    const failed = { code: "credentials", message: expect.stringContaining("/nowhere/token") };
    await expect(api.get("/", {}, signal)).rejects.toMatchObject(failed);
  });

  it("ends when its signal says so", async () => {
    const api = new KubernetesApi(() => server.access(), "test");
    server.misbehaviours.push(() => {});
    const controller = new AbortController();
    const asked = api.get("/", {}, controller.signal);
    controller.abort();
    await expect(asked).rejects.toThrow();
  });
});
