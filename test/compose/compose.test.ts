// Portico in containers, as people without a cluster run it: deploy/compose.yaml on a Docker of our
// own, with images that are made here. What it promises of its rights is held too.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { eventually } from "../eventually.ts";
import { ContainerEngine, NoEngine } from "./engine.ts";
import {
  type Answer,
  buildImages,
  NodeOfContainers,
  type ServiceName,
} from "./node-of-containers.ts";

const CLUSTER_IP = "http://10.96.0.10/";
const NODE_PORT = "http://198.18.0.10:30080/";
const CLIENT = "198.18.1.10";
const BACKEND_1 = "198.18.2.11";
const BACKEND_2 = "198.18.2.12";
const CAP_NET_ADMIN = "0000000000001000";

let engine: ContainerEngine;
let node: NodeOfContainers;
/** Why no container engine can be had here; undefined where there is one. */
let noEngine: string | undefined;

beforeAll(async () => {
  try {
    engine = await ContainerEngine.start(console.log);
  } catch (error) {
    if (!(error instanceof NoEngine)) throw error;
    noEngine = error.message;
    console.error(`\nNOTHING OF test/compose RUNS HERE: ${noEngine}\n`);
    return;
  }
  node = new NodeOfContainers(engine);
  await buildImages(engine);
  await node.up();
});

afterAll(async () => {
  await node?.down().catch((error: Error) => console.error(error.message));
  node?.remove();
  await engine?.close();
});

/** A test that is skipped by name, with the reason, where there is no container engine. */
function test(name: string, body: () => Promise<void>): void {
  it(name, async (context) => {
    context.skip(noEngine !== undefined, noEngine);
    await body().catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await node.logs()}`, { cause: error });
    });
  });
}

/** Each was answered, by no other backend than these. */
function expectAnswers(answers: readonly Answer[], backends: readonly string[]): void {
  expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
  expect([...new Set(answers.map(({ backend }) => backend))].sort()).toEqual(backends);
}

/** A field of /proc/PID/status of a service's first process. */
async function processField(service: ServiceName, field: string): Promise<string | undefined> {
  const format = ["inspect", "--format", "{{.State.Pid}}", await node.container(service)];
  const pid = (await engine.docker(format)).stdout.trim();
  const line = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return line.find((each) => each.startsWith(`${field}:`))?.split(/\s+/)[1];
}

describe("the node that comes up", () => {
  test("serves the cluster IP to a Pod, whose address the backends see", async () => {
    await node.serves([BACKEND_1, BACKEND_2]);
    const answers = await node.ask(CLUSTER_IP, 40);
    expectAnswers(answers, ["backend-1", "backend-2"]);
    expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([CLIENT]));
  });

  test("serves the node port to a Pod, and to the machine that Docker is on", async () => {
    expectAnswers(await node.ask(NODE_PORT, 40), ["backend-1", "backend-2"]);
    const script = `fetch("http://127.0.0.1:30080/").then((r) => r.text()).then(console.log)`;
    const { stdout } = await engine.onHost(process.execPath, ["-e", script]);
    expect(JSON.parse(stdout).backend).toMatch(/^backend-[12]$/);
  });

  test("has no process with another right than CAP_NET_ADMIN, nor one of root's", async () => {
    for (const service of ["portico", "envoy"] as const) {
      expect(await processField(service, "Uid")).toMatch(/^6553[23]$/);
      expect(await processField(service, "CapEff")).toBe(CAP_NET_ADMIN);
      expect(await processField(service, "CapBnd")).toBe(CAP_NET_ADMIN);
      expect(await processField(service, "Seccomp")).toBe("2");
    }
    expect(await processField("portico", "Uid")).not.toBe(await processField("envoy", "Uid"));
  });

  test("has a root file system that nobody can write to", async () => {
    const write = ["node", "-e", `require("node:fs").writeFileSync("/opt/portico/file", "")`];
    await expect(node.exec("portico", ...write)).rejects.toThrow("EROFS: read-only file system");
  });
});

describe("what changes while a Pod asks", () => {
  test("a backend is replaced: nobody notices", async () => {
    const before = await node.container("backend-2");
    const answers = await node.askDuring(CLUSTER_IP, async (answered) => {
      node.setEndpoints([BACKEND_1]);
      await node.serves([BACKEND_1]);
      await answered();
      await node.compose(["rm", "--stop", "--force", "backend-2"]);
      await node.compose(["up", "-d", "--no-deps", "backend-2"]);
      await backendListens();
      node.setEndpoints([BACKEND_1, BACKEND_2]);
      await node.serves([BACKEND_1, BACKEND_2]);
    });
    expectAnswers(answers, ["backend-1", "backend-2"]);
    const after = (await node.ask(CLUSTER_IP, 40)).find(({ backend }) => backend === "backend-2");
    expect(await node.container("backend-2")).toContain(after?.container);
    expect(after?.container).not.toBe(before.slice(0, 12));
  });

  test("the plugin is replaced: nobody notices", async () => {
    writeFileSync(join(node.manifests, "plugin.wasm"), anotherBuild());
    const status = async () => (await node.exec("portico", "portico", "plugin", "status")).stdout;
    const before = await status();
    const answers = await node.askDuring(CLUSTER_IP, async () => {
      await node.exec("portico", "portico", "plugin", "load", "/manifests/plugin.wasm");
    });
    expectAnswers(answers, ["backend-1", "backend-2"]);
    expect(await status()).not.toBe(before);
    expect(await status()).toContain("/manifests/plugin.wasm");
  });

  test("the controller is restarted: nobody notices", async () => {
    const answers = await node.askDuring(CLUSTER_IP, async () => {
      await node.compose(["restart", "--timeout", "10", "portico"]);
      await node.serves([BACKEND_1, BACKEND_2]);
    });
    expectAnswers(answers, ["backend-1", "backend-2"]);
  });

  test("Envoy is restarted: it serves again", async () => {
    await node.compose(["restart", "--timeout", "5", "envoy"]);
    await servesAgain();
  });

  test("Envoy is replaced by one that is root without root's rights: it serves again", async () => {
    const env = { PORTICO_ENVOY_USER: "0" };
    await node.compose(["up", "-d", "--no-deps", "--timeout", "5", "envoy"], { env });
    await servesAgain();
    expect(await processField("envoy", "Uid")).toBe("0");
    expect(await processField("envoy", "CapEff")).toBe(CAP_NET_ADMIN);
  });
});

describe("the images", () => {
  test("hold no shell", async () => {
    for (const image of ["portico:0.1.0", "portico-all-in-one:0.1.0"]) {
      const run = ["run", "--rm", "--entrypoint", "/bin/sh", image];
      const { code, stderr } = await engine.docker(run, { allowFailure: true });
      expect(code).not.toBe(0);
      expect(stderr).toContain("/bin/sh: no such file or directory");
    }
  });

  test("all-in-one starts Envoy too, and says which sysctl it cannot set", async () => {
    const id = await engine.docker([
      ...["run", "--detach", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--read-only"],
      ...["--tmpfs", "/run/portico:uid=65532,gid=65532,mode=0700"],
      ...["--volume", `${node.manifests}:/manifests:ro`, "portico-all-in-one:0.1.0"],
      ...["run", "--with-envoy", "--manifests", "/manifests", "--node-name", "node-1"],
    ]);
    const container = id.stdout.trim();
    await eventually("the table of its Envoy", 60_000, async () => {
      const services = ["exec", container, "portico", "services", "shop"];
      const { stdout } = await engine.docker(services, { allowFailure: true });
      return stdout.includes(BACKEND_1);
    });
    expect((await engine.docker(["logs", container])).stderr).toMatch(
      /cannot set net.ipv4.tcp_early_demux \(E[A-Z]+: .*set it to 0/,
    );
  });
});

async function servesAgain(): Promise<void> {
  await node.serves([BACKEND_1, BACKEND_2]);
  await eventually("an answer", 60_000, async () => {
    const [answer] = await node.ask(CLUSTER_IP, 1);
    return answer?.backend !== undefined;
  });
}

let builds = 0;

/** The plugin with a custom section more, which nothing reads; another one each time. */
function anotherBuild(): Buffer {
  builds += 1;
  const name = Buffer.from(`build ${builds}`);
  const section = Buffer.from([0, name.length + 1, name.length, ...name]);
  return Buffer.concat([readFileSync(shippedPlugin()), section]);
}

/** By its own address, so that the Service is not asked before it can answer. */
async function backendListens(): Promise<void> {
  await eventually("the new backend", 60_000, async () => {
    const [answer] = await node.ask(`http://${BACKEND_2}:8080/`, 1);
    return answer?.backend === "backend-2";
  });
}
