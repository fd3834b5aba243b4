// deploy/kubernetes as it is installed in a cluster of namespaces: the kustomization that README.md
// has people write, and the Pods that its DaemonSet has on a node.

import assert from "node:assert";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { V1DaemonSet } from "@kubernetes/client-node";
import type { ControlPlane } from "../cluster/control-plane.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";
import { Api } from "./api.ts";
import { allInOneImage, envoyImage, type Image, porticoImage } from "./container.ts";
import { DEPLOY, kustomized, only } from "./manifests.ts";
import { RunningPod } from "./pod.ts";

export const NAMESPACE = "kube-system";

interface InstallationParts {
  node: ClusterNode;
  plane: ControlPlane;
  /** Path of Envoy's executable. */
  envoy: string;
  /** A folder that the caller removes. */
  directory: string;
}

export class Installation {
  readonly #parts: InstallationParts;
  readonly #admin: Api;

  constructor(parts: InstallationParts) {
    this.#parts = parts;
    this.#admin = new Api(parts.plane);
  }

  /** Its folder: the base, components, the API server's address, a configuration. */
  overlay(components: readonly string[]): string {
    const { directory, plane } = this.#parts;
    const folder = mkdtempSync(join(directory, "overlay-"));
    const { hostname, port } = new URL(plane.innerServer);
    writeFileSync(join(folder, "config.yaml"), configuration("10.1.0.0/16"));
    const path = (name: string) => relative(folder, join(DEPLOY, name));
    const kustomization = {
      apiVersion: "kustomize.config.k8s.io/v1beta1",
      kind: "Kustomization",
      namespace: NAMESPACE,
      resources: [path("base")],
      components: components.map(path),
      generatorOptions: { disableNameSuffixHash: true },
      configMapGenerator: [
        {
          name: "portico-api-server",
          literals: [`KUBERNETES_SERVICE_HOST=${hostname}`, `KUBERNETES_SERVICE_PORT=${port}`],
        },
        { name: "portico", behavior: "replace", files: ["config.yaml"] },
      ],
    };
    writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
    return folder;
  }

  /**
   * A Pod of the folder's DaemonSet, with the files of a service account if one is named.
   * `otherArguments`: of the containers' command lines, to be replaced. Each is there.
   */
  async podOf(
    folder: string,
    account?: string,
    otherArguments: Readonly<Record<string, string>> = {},
  ): Promise<RunningPod> {
    const { node, envoy, directory } = this.#parts;
    let text = JSON.stringify(only(await kustomized(folder), "DaemonSet"));
    for (const [before, after] of Object.entries(otherArguments)) {
      assert(text.includes(before), `no argument ${before} in ${folder}`);
      text = text.replaceAll(before, after);
    }
    const { spec } = JSON.parse(text) as V1DaemonSet;
    const nodeDirectory = join(directory, "node");
    mkdirSync(nodeDirectory, { recursive: true });
    return new RunningPod({
      node,
      spec: spec?.template.spec ?? { containers: [] },
      image: (name) => imageNamed(name, envoy),
      configMaps: (name) => this.#configMap(name),
      serviceAccount: account === undefined ? undefined : await this.#accountFiles(account),
      kubernetesService: { address: "10.96.0.1", port: "443" },
      nodeDirectory,
      directory,
    });
  }

  /** Of the API server, as the kubelet reads it. */
  async #configMap(name: string): Promise<Record<string, Buffer> | undefined> {
    const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/${name}`;
    const { status, object } = await this.#admin.ask("GET", path);
    if (status === 404) return undefined;
    const { data = {}, binaryData = {} } = object as Record<string, Record<string, string>>;
    const files = Object.entries(data).map(([key, text]) => [key, Buffer.from(text)] as const);
    const binaries = Object.entries(binaryData).map(
      ([key, text]) => [key, Buffer.from(text, "base64")] as const,
    );
    return Object.fromEntries([...files, ...binaries]);
  }

  async #accountFiles(account: string) {
    const token = await this.#admin.tokenOf(account, NAMESPACE);
    const { certificateAuthority } = this.#parts.plane;
    return { token, certificateAuthority, namespace: NAMESPACE };
  }
}

export function configuration(clusterCIDR: string): string {
  return [
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1",
    "kind: KubeProxyConfiguration",
    "mode: nftables",
    `clusterCIDR: ${clusterCIDR}`,
    "",
  ].join("\n");
}

function imageNamed(name: string, envoy: string): Image {
  if (name.startsWith("portico-all-in-one:")) return allInOneImage(envoy);
  if (name.startsWith("portico:")) return porticoImage();
  if (name.startsWith("envoyproxy/envoy:")) return envoyImage(envoy);
  throw new Error(`no image ${name} here`);
}
