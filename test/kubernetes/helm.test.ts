// The chart in deploy/helm gives what kustomize gives for the same decisions, and a real API server
// takes what it makes of the others.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { ControlPlane } from "../cluster/control-plane.ts";
import { notEmpty } from "../not-empty.ts";
import { Api } from "./api.ts";
import { DEPLOY, helmTemplate, kustomized, type Manifest, only } from "./manifests.ts";
import { goTool } from "./tool.ts";

const apiServer = { host: "192.0.2.10", port: 6443 };

let plane: ControlPlane;

beforeAll(async () => {
  plane = await ControlPlane.start();
  await goTool("kustomize");
  await goTool("helm");
}, 900_000); // the first run builds all three

afterAll(() => plane?.stop());

/** Sorted, and with what is YAML inside of a ConfigMap read. */
function comparable(manifests: readonly Manifest[]): unknown[] {
  const read = manifests.map((manifest) => {
    const data = manifest.data as Record<string, string> | undefined;
    if (data?.["config.yaml"] === undefined) return manifest;
    return { ...manifest, data: { "config.yaml": parse(data["config.yaml"]) } };
  });
  const nameOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
  return read.sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

it("makes the objects of deploy/kubernetes/example, for its values", async () => {
  const values = {
    apiServer,
    config: parse(readFileSync(join(DEPLOY, "example/config.yaml"), "utf8")),
    controller: { image: { repository: "registry.example/portico" } },
    podMonitor: true,
  };
  const ofHelm = comparable(await helmTemplate("kube-system", values));
  expect(ofHelm).toEqual(comparable(await kustomized(`${DEPLOY}/example`)));
});

it.each([
  [["envoy-not-root"], { notRoot: true }],
  [["two-envoys"], { second: true }],
  [["envoy-not-root", "two-envoys"], { notRoot: true, second: true }],
])("makes the Pod of the components %j", async (components, envoy) => {
  const folder = mkdtempSync(join(tmpdir(), "portico-helm-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = (name: string) => relative(folder, join(DEPLOY, name));
  const kustomization = { resources: [path("base")], components: components.map(path) };
  writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
  const ofHelm = await helmTemplate("kube-system", { apiServer, envoy });
  const specOf = (manifests: Manifest[]) => only<V1DaemonSet>(manifests, "DaemonSet").spec;
  expect(specOf(ofHelm)).toEqual(specOf(await kustomized(folder)));
});

it("puts everything into the namespace of the release, and what else it is told", async () => {
  const plane = await ControlPlane.start();
  onTestFinished(() => plane.stop());
  const manifests = await helmTemplate("default", {
    apiServer: { host: "fd00::7", port: 443 },
    config: { apiVersion: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration" },
    controller: { image: { tag: "mine" }, resources: { limits: { memory: "1Gi" } } },
    envoy: { notRoot: true, second: true },
    imagePullSecrets: [{ name: "registry" }],
    nodeSelector: { "example.com/proxy": "portico" },
    affinity: { podAntiAffinity: {} },
  });
  const admin = new Api(plane);
  for (const manifest of notEmpty(manifests, "manifests")) {
    const { object } = await admin.apply(manifest, true);
    expect([manifest.kind, object.message]).toEqual([manifest.kind, undefined]);
    if (/^ClusterRole/.test(manifest.kind)) continue;
    expect([manifest.kind, manifest.metadata.namespace]).toEqual([manifest.kind, "default"]);
  }
  const pod = only<V1DaemonSet>(manifests, "DaemonSet").spec?.template.spec;
  expect(pod).toMatchObject({
    nodeSelector: { "kubernetes.io/os": "linux", "example.com/proxy": "portico" },
    imagePullSecrets: [{ name: "registry" }],
    affinity: { podAntiAffinity: {} },
  });
  const controller = pod?.containers.find(({ name }) => name === "controller");
  expect(controller).toMatchObject({
    image: "portico:mine",
    resources: { limits: { memory: "1Gi" } },
  });
  const binding = only<{ subjects: object[] }>(manifests, "ClusterRoleBinding");
  expect(binding.subjects).toMatchObject([{ name: "portico", namespace: "default" }]);
});

it.each([
  [{}, "apiServer.host: give the API server's own address"],
  [{ apiServer: { ...apiServer, host: "https://192.0.2.10" } }, "/apiServer/host"],
  [{ apiServer, podmonitor: true }, "podmonitor"],
  [{ apiServer, envoy: { notRoot: "yes" } }, "/envoy/notRoot"],
])("refuses %j, and names what is wrong", async (values, message) => {
  await expect(helmTemplate("kube-system", values)).rejects.toThrow(message);
});
