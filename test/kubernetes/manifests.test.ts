// What deploy/kubernetes gives to a real API server: it takes all of it, and the rights in it are
// none that kube-proxy has not.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1ClusterRole, V1DaemonSet, V1PolicyRule } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ENVOY_ENVIRONMENT, ENVOY_FLAGS } from "../../envoy/process.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import { eventually } from "../eventually.ts";
import { notEmpty } from "../not-empty.ts";
import { Api } from "./api.ts";
import { DEPLOY, kustomized, type Manifest, only } from "./manifests.ts";
import { goModule } from "./tool.ts";

const NAMESPACE = "kube-system";
const POD_MONITORS = "monitoring.coreos.com_podmonitors.yaml";
const CRD_DEADLINE_MS = 30_000;

let plane: ControlPlane;
let admin: Api;

beforeAll(async () => {
  plane = await ControlPlane.start();
  admin = new Api(plane);
  await definePodMonitors();
}, 900_000); // the first run builds Kubernetes and kustomize

afterAll(() => plane?.stop());

/** As the Prometheus operator's installation does. */
async function definePodMonitors(): Promise<void> {
  const operator = await goModule("prometheus-operator");
  const file = join(operator, "example/prometheus-operator-crd", POD_MONITORS);
  const definition = parse(readFileSync(file, "utf8")) as Manifest;
  expect((await admin.apply(definition, false)).object.message).toBeUndefined();
  await eventually("the API server has PodMonitors", CRD_DEADLINE_MS, async () => {
    const path = "/apis/monitoring.coreos.com/v1/podmonitors";
    return (await admin.ask("GET", path)).status === 200;
  });
}

describe.each(["base", "example", "cleanup"])("deploy/kubernetes/%s", (folder) => {
  it("is taken by the API server, with no field that it does not know", async () => {
    const manifests = await kustomized(`${DEPLOY}/${folder}`);
    expect(manifests.length).toBeGreaterThan(0);
    for (const manifest of manifests) {
      const { status, object } = await admin.apply(manifest, true);
      expect([manifest.kind, manifest.metadata.name, status, object.message]).toEqual([
        manifest.kind,
        manifest.metadata.name,
        expect.toSatisfy((code) => code === 200 || code === 201),
        undefined,
      ]);
    }
  });

  it("has a Pod that is admitted as critical for its node", async () => {
    const { metadata, spec } = only<V1DaemonSet>(
      await kustomized(`${DEPLOY}/${folder}`),
      "DaemonSet",
    );
    const pod: Manifest = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "trial", namespace: metadata?.namespace ?? "" },
      spec: spec?.template.spec,
    };
    const { object } = await admin.apply(pod, true);
    expect(object.message).toBeUndefined();
    expect(object.spec).toMatchObject({ hostNetwork: true, priority: 2_000_001_000 });
  });

  it("runs Portico of this version everywhere", async () => {
    const { spec } = only<V1DaemonSet>(await kustomized(`${DEPLOY}/${folder}`), "DaemonSet");
    const { containers, initContainers = [] } = spec?.template.spec ?? { containers: [] };
    const { version } = await import("../../package.json", { with: { type: "json" } }).then(
      (module) => module.default,
    );
    const images = [...containers, ...initContainers].map(({ image = "" }) => image);
    const ours = images.filter((each) => each.includes("portico"));
    for (const image of notEmpty(ours, "images of Portico")) {
      expect(image).toMatch(new RegExp(`portico:${version}$`));
    }
  });
});

it("refuses a field that is misspelt, or the tests above could not fail", async () => {
  const daemonSet = only<Manifest>(await kustomized(`${DEPLOY}/base`), "DaemonSet");
  const text = JSON.stringify(daemonSet).replace(
    "readOnlyRootFilesystem",
    "readOnlyRootFileSystem",
  );
  const { status, object } = await admin.apply(JSON.parse(text), true);
  expect([status, object.message]).toEqual([
    expect.toSatisfy((code) => code >= 400),
    expect.stringContaining("readOnlyRootFileSystem"),
  ]);
});

it("has a PodMonitor that finds the Pods, and the port that is opened for it", async () => {
  const manifests = await kustomized(`${DEPLOY}/example`);
  const { spec } = only<{ spec: PodMonitorSpec }>(manifests, "PodMonitor");
  const template = only<V1DaemonSet>(manifests, "DaemonSet").spec?.template;
  expect(template?.metadata?.labels).toMatchObject(spec.selector.matchLabels);
  const [controller] = template?.spec?.containers ?? [];
  for (const { port } of notEmpty(spec.podMetricsEndpoints, "endpoints")) {
    const number = controller?.ports?.find(({ name }) => name === port)?.containerPort;
    expect(controller?.args).toContain(`--metrics-bind-address=0.0.0.0:${number}`);
  }
});

it("starts Envoy as `portico run --with-envoy` does", async () => {
  const { spec } = only<V1DaemonSet>(await kustomized(`${DEPLOY}/base`), "DaemonSet");
  const envoy = spec?.template.spec?.containers.find(({ name }) => name === "envoy");
  expect(envoy?.args).toEqual(["-c", "/run/portico/envoy.json", ...ENVOY_FLAGS]);
  const environment = envoy?.env?.map(({ name, value }) => [name, value]);
  expect(environment).toEqual(Object.entries(ENVOY_ENVIRONMENT));
});

it("may have another controller in a Pod that exists (README, Upgrade)", async () => {
  const { spec } = only<V1DaemonSet>(await kustomized(`${DEPLOY}/base`), "DaemonSet");
  const metadata = { name: "upgraded", namespace: NAMESPACE };
  const pod: Manifest = { apiVersion: "v1", kind: "Pod", metadata, spec: spec?.template.spec };
  expect((await admin.apply(pod, false)).status).toBe(201);
  const containers = [{ name: "controller", image: "portico:0.2.0" }];
  const { status, object } = await admin.ask(
    "PATCH",
    `/api/v1/namespaces/${NAMESPACE}/pods/upgraded`,
    { spec: { containers } },
    "strategic-merge-patch+json",
  );
  expect([status, object.message]).toEqual([200, undefined]);
});

interface PodMonitorSpec {
  selector: { matchLabels: Record<string, string> };
  podMetricsEndpoints: { port: string }[];
}

/** "group/resource verb", each. */
function rightsOf(rules: readonly V1PolicyRule[]): string[] {
  const rights = rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
    ),
  );
  return [...new Set(rights)].sort();
}

describe("the rights", () => {
  const account = `system:serviceaccount:${NAMESPACE}:portico`;
  let portico: Api;

  beforeAll(async () => {
    const manifests = await kustomized(`${DEPLOY}/base`);
    const rights = manifests.filter(({ kind }) => /^(ServiceAccount|ClusterRole)/.test(kind));
    for (const manifest of notEmpty(rights, "manifests with rights")) {
      const { status } = await admin.apply(manifest, false);
      expect(status).toBe(201);
    }
    portico = new Api(plane, await admin.tokenOf("portico", NAMESPACE));
  });

  it("are some of those that Kubernetes gives kube-proxy", async () => {
    const path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const { object } = await admin.ask("GET", `${path}/system:node-proxier`);
    const theirs = rightsOf((object as unknown as V1ClusterRole).rules ?? []);
    const ours = rightsOf(
      only<V1ClusterRole>(await kustomized(`${DEPLOY}/base`), "ClusterRole").rules ?? [],
    );
    expect(ours.length).toBeGreaterThan(0);
    expect(theirs).toEqual(expect.arrayContaining(ours));
  });

  it("are all that the service account has, but for what every account has", async () => {
    const rules = async (api: Api) => {
      const { object } = await api.ask(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectRulesReview",
          spec: { namespace: NAMESPACE },
        },
      );
      const { resourceRules } = object.status as { resourceRules: V1PolicyRule[] };
      return rightsOf(resourceRules);
    };
    const plain = { apiVersion: "v1", kind: "ServiceAccount" };
    await admin.apply({ ...plain, metadata: { name: "plain", namespace: NAMESPACE } }, false);
    const everybody = await rules(new Api(plane, await admin.tokenOf("plain", NAMESPACE)));
    const own = (await rules(portico)).filter((right) => !everybody.includes(right));
    const role = only<V1ClusterRole>(await kustomized(`${DEPLOY}/base`), "ClusterRole");
    expect(own).toEqual(rightsOf(role.rules ?? []));
  });

  it.each([
    ["GET", "/api/v1/pods"],
    ["GET", "/api/v1/secrets"],
    ["GET", "/api/v1/namespaces/kube-system/configmaps/portico"],
    ["GET", "/api/v1/nodes/node-1"],
    ["DELETE", "/api/v1/namespaces/default/services/kubernetes"],
    ["GET", "/apis/events.k8s.io/v1/events"],
  ])("do not reach to %s %s", async (method, path) => {
    const { status, object } = await portico.ask(method, path);
    expect([status, object.message]).toEqual([403, expect.stringContaining(account)]);
  });
});
