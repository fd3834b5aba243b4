// `portico doctor` on Services that do not answer, in a real cluster (API server and controllers,
// no kubelet: tests write what it would) and in a folder of manifests: it is to name the cause of
// each, and nothing of the healthy ones.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  PatchStrategy,
  setHeaderOptions,
  type V1EndpointSlice,
  type V1Pod,
  type V1Service,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../controller/doctor/types.ts";
import { goTool } from "../kubernetes/tool.ts";
import { BROKEN_PODS } from "./broken-pods.ts";
import { BROKEN_SERVICES, HEALTHY } from "./broken-services.ts";
import { ControlPlane } from "./control-plane.ts";
import { ASKED, type BrokenService, type Json, LOST_NODE, NODES } from "./doctor-sketches.ts";
import { Objects } from "./objects.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const PORTICO = join(CHECKOUT, "build/portico");
const BROKEN = [...BROKEN_PODS, ...BROKEN_SERVICES];
const MERGE = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
/** Until the controllers have done their part. */
const SETTLED_MS = 60_000;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  return new Promise<Ended>((resolve) => {
    // Nothing of this machine's own: neither a kubeconfig nor a Portico.
    const own = { PATH: process.env.PATH, HOME: directory, ...env };
    execFile(command, [...args], { env: own, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

function doctor(...args: string[]): Promise<Ended> {
  return run(process.execPath, [PORTICO, "doctor", "--run-dir", join(directory, "none"), ...args]);
}

async function findingsOf(...args: string[]): Promise<Finding[]> {
  const { stdout, stderr } = await doctor(...args, "--output", "json");
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

const directory = mkdtempSync(join(tmpdir(), "portico-doctor-"));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function namespaceOf(name: string): string {
  return `doctor-${name}`;
}

type Metadata = { name: string; namespace?: string };

/** In the namespace of the case, or in the one where its Pods are by mistake. */
function placed(object: Json, name: string): Json & { kind: string; metadata: Metadata } {
  const metadata = object.metadata as Metadata;
  const namespace = namespaceOf(metadata.namespace ?? name);
  return { ...object, metadata: { ...metadata, namespace } } as ReturnType<typeof placed>;
}

function expectCause(findings: readonly Finding[], broken: BrokenService): void {
  const own = findings.filter(({ service }) => service === `${namespaceOf(broken.name)}/${ASKED}`);
  const { level, code, says } = broken;
  expect(own).toContainEqual(
    expect.objectContaining({ level, code, text: expect.stringMatching(says) }),
  );
  // The cause, and nothing besides that would mislead.
  const others = own.filter((each) => each.code !== code && isTrouble(each));
  expect(others).toEqual([]);
}

function isTrouble({ level }: Finding): boolean {
  return level === "error" || level === "warning";
}

function troublesOf(findings: readonly Finding[], name: string): Finding[] {
  const own = findings.filter(({ service }) => service.startsWith(`${namespaceOf(name)}/`));
  expect(own).not.toEqual([]);
  return own.filter(isTrouble);
}

describe("in a cluster", () => {
  const cases = BROKEN.filter(({ only }) => only !== "manifests");
  let plane: ControlPlane;
  let kubeconfig: string;
  let findings: Finding[] = [];

  beforeAll(async () => {
    plane = await ControlPlane.start();
    kubeconfig = plane.kubeconfigFile();
    const objects = new Objects(plane.kubeConfig());
    for (const name of [...NODES, LOST_NODE]) await objects.createNode({ name, addresses: [] });
    const conditions = [{ type: "Ready", status: "Unknown" }];
    const lost = { name: LOST_NODE, body: { status: { conditions } } };
    await objects.core.patchNodeStatus(lost, MERGE);
    await createIn("other", []);
    for (const { name, objects: own } of [...cases, ...HEALTHY]) await createIn(name, own);
    const deadline = Date.now() + SETTLED_MS;
    do {
      findings = await findingsOf("--kubeconfig", kubeconfig, "--all");
    } while (!isSettled() && Date.now() < deadline);
  }, 900_000); // the first run builds Kubernetes

  afterAll(() => plane?.stop());

  /** Whether every test below would pass; what is not, the test itself tells best. */
  function isSettled(): boolean {
    try {
      for (const broken of cases) expectCause(findings, broken);
      for (const { name } of HEALTHY) expect(troublesOf(findings, name)).toEqual([]);
      return true;
    } catch {
      return false;
    }
  }

  async function createIn(name: string, own: readonly Json[]): Promise<void> {
    const objects = new Objects(plane.kubeConfig(), namespaceOf(name));
    await objects.createNamespace();
    for (const object of own) await create(objects, placed(object, name));
  }

  /** What a kubelet or a load balancer would write comes with a request of its own. */
  async function create({ core, discovery }: Objects, body: ReturnType<typeof placed>) {
    const { name, namespace = "" } = body.metadata;
    const status = { name, namespace, body: { status: body.status } };
    if (body.kind === "EndpointSlice") {
      const slice = body as unknown as V1EndpointSlice;
      await discovery.createNamespacedEndpointSlice({ namespace, body: slice });
    } else if (body.kind === "Service") {
      await core.createNamespacedService({ namespace, body: body as unknown as V1Service });
      await core.patchNamespacedServiceStatus(status, MERGE);
    } else {
      await core.createNamespacedPod({ namespace, body: body as unknown as V1Pod });
      await core.patchNamespacedPodStatus(status, MERGE);
    }
  }

  it.each(cases)("names the cause: $name", (broken) => expectCause(findings, broken));

  it.each(HEALTHY)("has nothing against what is $name", ({ name }) => {
    expect(troublesOf(findings, name)).toEqual([]);
  });

  it("examines one Service: a finding a line, each with its command", async () => {
    const asked = ["--kubeconfig", kubeconfig, "--namespace", namespaceOf("label-misspelt"), ASKED];
    const { code, stdout } = await doctor(...asked);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^error {4}doctor-label-misspelt\/web: its selector .* {3}# kubectl get pods -n/m,
    );
    const healthy = await doctor("--kubeconfig", kubeconfig, `${namespaceOf("healthy")}/${ASKED}`);
    expect(healthy.code).toBe(0);
    expect(healthy.stdout).toMatch(
      /^ok {7}doctor-healthy\/web: its 2 Pods are ready {3}# kubectl/m,
    );
    expect(healthy.stdout).not.toMatch(/^(error|warning|note)/m);
    const far = await findingsOf(
      ...["--kubeconfig", kubeconfig, `${namespaceOf("pods-in-another-namespace")}/${ASKED}`],
    );
    expectCause(far, BROKEN.find(({ name }) => name === "pods-in-another-namespace") as never);
  });

  it("passes on what others have said of the Service in Events", async () => {
    const namespace = namespaceOf("load-balancer-pending");
    const involvedObject = { apiVersion: "v1", kind: "Service", name: ASKED, namespace };
    const source = { component: "service-controller" };
    const lastTimestamp = new Date("2026-01-01T00:00:00Z");
    const said = { reason: "SyncLoadBalancerFailed", message: "quota exceeded", type: "Warning" };
    const { core } = new Objects(plane.kubeConfig());
    const metadata = { generateName: "web.", namespace };
    const body = { metadata, involvedObject, source, lastTimestamp, ...said };
    await core.createNamespacedEvent({ namespace, body });
    const { stdout } = await doctor("--kubeconfig", kubeconfig, `${namespace}/${ASKED}`);
    expect(stdout).toContain(
      "an Event reports SyncLoadBalancerFailed: quota exceeded " +
        "(a Warning by service-controller, last at 2026-01-01T00:00:00Z)   # kubectl describe",
    );
  });

  it("knows a Service by a name that comes near, and by its namespace", async () => {
    const misspelt = await doctor("--kubeconfig", kubeconfig, `${namespaceOf("healthy")}/wbe`);
    expect(misspelt.code).toBe(1);
    expect(misspelt.stdout).toContain("no Service doctor-healthy/wbe; did you mean web?");
    const elsewhere = await doctor("--kubeconfig", kubeconfig, ASKED);
    expect(elsewhere.stdout).toContain("there is one in namespace doctor-");
  });

  it("sums up, and ends with 1 as something is wrong", async () => {
    const { code, stdout } = await doctor("--kubeconfig", kubeconfig);
    expect(code).toBe(1);
    expect(stdout.split("\n")[0]).toMatch(
      /^\d+ Services: \d+ with errors, \d+ with warnings only,/,
    );
    expect(stdout).not.toMatch(/^(ok|note)/m);
    expect(stdout).not.toContain("default/kubernetes");
  });

  it("makes do with what kube-proxy may read, and says what it could not look at", async () => {
    const proxy = plane.kubeconfigFile("proxy");
    const asked = (name: string) =>
      findingsOf("--kubeconfig", proxy, `${namespaceOf(name)}/${ASKED}`);
    const misspelt = await asked("label-misspelt");
    expect(misspelt).toContainEqual(expect.objectContaining({ code: "not-allowed" }));
    expect(misspelt).toContainEqual(expect.objectContaining({ code: "selector-matches-nothing" }));
    const unknown = await asked("target-port-misspelt");
    expect(unknown).toContainEqual(expect.objectContaining({ code: "target-port-unknown" }));
    expect(troublesOf(await asked("healthy"), "healthy")).toEqual([]);
  });

  it("ends with 2 when it could not look", async () => {
    const nobody = await doctor("--kubeconfig", plane.kubeconfigFile("nobody"), ASKED);
    expect(nobody).toMatchObject({ code: 2, stdout: "" });
    expect(nobody.stderr).toContain("kubectl auth can-i list services");
    expect(await doctor()).toMatchObject({ code: 2 });
    expect(await doctor("--no-such-flag")).toMatchObject({ code: 2 });
    const elsewhere = await doctor("--kubeconfig", kubeconfig, "shop/web", "-n", "other");
    expect(elsewhere).toMatchObject({ code: 2, stdout: "" });
    expect(elsewhere.stderr).toContain("shop/web is not in namespace other");
    const unknown = await doctor("--kubeconfig", kubeconfig, "--context", "prod");
    expect(unknown.stderr).toContain('has no context "prod". It has: test.');
  });

  it("is a plugin of kubectl's, which finds the cluster as kubectl does", async () => {
    const kubectl = await goTool("kubectl");
    const plugins = join(CHECKOUT, "deploy");
    const env = { KUBECONFIG: kubeconfig, PATH: `${plugins}:${process.env.PATH}` };
    const asked = ["portico", "doctor", ASKED, "-n", namespaceOf("healthy")];
    const found = await run(kubectl, asked, env);
    expect(found).toMatchObject({ code: 0, stderr: "" });
    expect(found.stdout).toContain("its 2 Pods are ready");
    const broken = await run(kubectl, ["portico", "doctor"], env);
    expect(broken.code).toBe(1);
    const lost = await run(kubectl, asked, { ...env, PORTICO: "/no/such/file" });
    expect(lost.code).toBe(2);
    expect(lost.stderr).toContain("set PORTICO to it");
  }, 600_000); // the first run builds kubectl

  it("gives commands that show what it says, as kubectl takes them", async () => {
    const kubectl = await goTool("kubectl");
    const kinds = Map.groupBy(findings, ({ code }) => code);
    expect(kinds.size).toBeGreaterThan(25);
    for (const [code, [{ command = "" } = {}]] of kinds) {
      const ran = await run("sh", ["-c", command.replace(/^kubectl/, `"$KUBECTL"`)], {
        KUBECONFIG: kubeconfig,
        KUBECTL: kubectl,
      });
      // There is no kubelet to ask for logs; what kubectl itself does not understand is no Status.
      const isTaken = ran.code === 0 || /Error from server/.test(ran.stderr);
      expect({ code, command, ...(isTaken ? {} : ran) }).toEqual({ code, command });
    }
  });
});

describe("in a folder of manifests", () => {
  const cases = BROKEN.filter(({ only }) => only !== "api");
  let findings: Finding[];

  beforeAll(async () => {
    const node = (name: string) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name },
      status: { conditions: [{ type: "Ready", status: name === LOST_NODE ? "Unknown" : "True" }] },
    });
    const cidrs = ["10.96.0.0/16", "fd00:10:96::/112"];
    const range = { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", spec: { cidrs } };
    const items: unknown[] = [...NODES, LOST_NODE].map(node);
    items.push({ ...range, metadata: { name: "kubernetes" } });
    for (const { name, objects } of [...cases, ...HEALTHY]) {
      items.push(...objects.map((object) => addressed(placed(object, name))));
    }
    const folder = mkdtempSync(join(directory, "manifests-"));
    writeFileSync(
      join(folder, "all.json"),
      JSON.stringify({ apiVersion: "v1", kind: "List", items }),
    );
    findings = await findingsOf("--manifests", folder, "--all");
  });

  let services = 0;

  /** Manifests have nobody to choose a cluster IP. */
  function addressed(object: ReturnType<typeof placed>): Json {
    const spec = (object.spec ?? {}) as Json;
    if (object.kind !== "Service" || spec.clusterIP || spec.type === "ExternalName") return object;
    services += 1;
    return { ...object, spec: { ...spec, clusterIP: `10.96.1.${services}` } };
  }

  it.each(cases)("names the cause: $name", (broken) => expectCause(findings, broken));

  it.each(HEALTHY)("has nothing against what is $name", ({ name }) => {
    expect(troublesOf(findings, name)).toEqual([]);
  });

  it("tells of a file that is none, and ends with 2 where there is no folder", async () => {
    const folder = mkdtempSync(join(directory, "manifests-"));
    writeFileSync(join(folder, "web.yaml"), "kind: [");
    const { code, stdout } = await doctor("--manifests", folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^0 Services: .*\nerror {4}File web\.yaml in \S+: web\.yaml:1: /);
    const missing = await doctor("--manifests", join(folder, "missing"));
    expect(missing).toMatchObject({ code: 2, stdout: "" });
    expect(missing.stderr).toContain("ENOENT");
  });
});
