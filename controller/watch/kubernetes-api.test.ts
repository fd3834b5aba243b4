import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KubernetesApi, kubeConfigFromFile, kubeConfigInCluster } from "./kubernetes-api.ts";
import { status, TestServer } from "./list-watch-test-server.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-kubeconfig-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function fileWith(text: string): string {
  const file = join(directory, "config");
  writeFileSync(file, text);
  return file;
}

describe("a kubeconfig", () => {
  it("that is not there is named", () => {
    expect(() => kubeConfigFromFile("/nowhere/config")).toThrow("/nowhere/config cannot be read");
  });

  it("that is no YAML is named", () => {
    const file = fileWith("{ a: [");
    expect(() => kubeConfigFromFile(file)).toThrow(`${file} cannot be read`);
  });

  it("without a current context is told how to get one", () => {
    const file = fileWith("apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n");
    expect(() => kubeConfigFromFile(file)).toThrow("names no cluster in its current context");
  });

  it("with an address that is no URL is refused", () => {
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { name: "a", server: "nonsense", skipTLSVerify: true },
      { name: "a" },
    );
    expect(() => new KubernetesApi(() => config, "test")).toThrow('"nonsense" is not a URL');
  });

  it("is not looked for in a cluster where there is none", () => {
    expect(() => kubeConfigInCluster()).toThrow("This is no Pod with a service account");
  });
});

describe("a request", () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await TestServer.start();
  });
  afterEach(() => server.stop());
  const signal = new AbortController().signal;

  it("says what the server asks to wait", async () => {
    const api = new KubernetesApi(() => server.kubeConfig(), "test");
    server.misbehaviours.push(status(429, "", { "retry-after": "7" }));
    server.misbehaviours.push(status(429, "", { "retry-after": "tomorrow" }));
    expect((await api.get("/", {}, signal)).retryAfterMs).toBe(7_000);
    expect((await api.get("/", {}, signal)).retryAfterMs).toBe(0);
  });

  it("reads the configuration again after credentials were not accepted", async () => {
    let loaded = 0;
    const load = () => {
      loaded += 1;
      return server.kubeConfig();
    };
    const api = new KubernetesApi(load, "test");
    server.misbehaviours.push(status(401, ""));
    await api.get("/", {}, signal);
    await api.get("/", {}, signal);
    expect(loaded).toBe(2);
  });

  it("fails with a code for credentials that cannot be made", async () => {
    const config = server.kubeConfig();
    const [user] = config.users;
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "/nowhere/helper" };
    Object.assign(user ?? {}, { exec, token: undefined });
    const api = new KubernetesApi(() => config, "test");
    await expect(api.get("/", {}, signal)).rejects.toMatchObject({ code: "credentials" });
  });

  it("ends when its signal says so", async () => {
    const api = new KubernetesApi(() => server.kubeConfig(), "test");
    server.misbehaviours.push(() => {});
    const controller = new AbortController();
    const asked = api.get("/", {}, controller.signal);
    controller.abort();
    await expect(asked).rejects.toThrow();
  });
});
