// The patches of deploy/MIGRATION.md that tell DaemonSets where to go, given to a real API server.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  AppsV1Api,
  PatchStrategy,
  setHeaderOptions,
  type V1DaemonSet,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { ControlPlane } from "../cluster/control-plane.ts";
import { documentedSteps } from "./document.ts";

const namespace = "kube-system";
const PORTICO = join(import.meta.dirname, "../../deploy/kubernetes/base/daemonset.yaml");

let plane: ControlPlane;
let apps: AppsV1Api;

beforeAll(async () => {
  plane = await ControlPlane.start();
  apps = plane.kubeConfig().makeApiClient(AppsV1Api);
}, 900_000); // the first run builds Kubernetes

afterAll(() => plane?.stop());

/** Until the end of the test. */
async function create(body: V1DaemonSet): Promise<void> {
  await apps.createNamespacedDaemonSet({ namespace, body });
  const name = body.metadata?.name ?? "";
  onTestFinished(async () => void (await apps.deleteNamespacedDaemonSet({ namespace, name })));
}

/** As kubeadm's, of what matters here. */
function kubeProxy(): V1DaemonSet {
  const labels = { "k8s-app": "kube-proxy" };
  const nodeSelector = { "kubernetes.io/os": "linux" };
  const containers = [{ name: "kube-proxy", image: "none" }];
  return {
    metadata: { name: "kube-proxy" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { nodeSelector, containers } },
    },
  };
}

it("keeps kube-proxy off nodes with the label", async () => {
  await create(kubeProxy());
  const text = documentedSteps().get("kube-proxy-where") ?? "";
  const patch = /--type strategic --patch '(.*)'/s.exec(text)?.[1] ?? "";
  const options = setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch);
  const where = { name: "kube-proxy", namespace };
  const { spec } = await apps.patchNamespacedDaemonSet({ ...where, body: parse(patch) }, options);
  const { affinity, nodeSelector } = spec?.template.spec ?? {};
  expect(nodeSelector).toEqual({ "kubernetes.io/os": "linux" });
  expect(affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toEqual({
    nodeSelectorTerms: [
      { matchExpressions: [{ key: "portico.dev/without-kube-proxy", operator: "DoesNotExist" }] },
    ],
  });
});

it("has Portico go to nodes with the other label", async () => {
  const portico = parse(readFileSync(PORTICO, "utf8")) as V1DaemonSet;
  await create(portico);
  const step = parse(documentedSteps().get("portico-where") ?? "") as {
    patches: [{ target: { name: string; kind: string }; patch: string }];
  };
  const [{ target, patch }] = step.patches;
  expect(target).toEqual({ kind: "DaemonSet", name: portico.metadata?.name });
  const options = setHeaderOptions("Content-Type", PatchStrategy.JsonPatch);
  const where = { name: target.name, namespace };
  const { spec } = await apps.patchNamespacedDaemonSet({ ...where, body: parse(patch) }, options);
  expect(spec?.template.spec?.nodeSelector).toEqual({
    "kubernetes.io/os": "linux",
    "portico.dev/serves": "yes",
  });
});
