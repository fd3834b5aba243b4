// Requests to the control plane's API server with a token and nothing between: what it answers,
// whatever that is.

import { once } from "node:events";
import { request } from "node:https";
import { type ControlPlane, USERS } from "../cluster/control-plane.ts";
import type { Manifest } from "./manifests.ts";

interface ApiReply {
  status: number;
  /** The object, or the Status that says why not. */
  object: Record<string, unknown>;
}

/** Where the objects of each kind are; to add one, write its path and whether it has namespaces. */
const PATHS: Record<string, { plural: string; isNamespaced: boolean }> = {
  ServiceAccount: { plural: "serviceaccounts", isNamespaced: true },
  ConfigMap: { plural: "configmaps", isNamespaced: true },
  DaemonSet: { plural: "daemonsets", isNamespaced: true },
  Pod: { plural: "pods", isNamespaced: true },
  ClusterRole: { plural: "clusterroles", isNamespaced: false },
  ClusterRoleBinding: { plural: "clusterrolebindings", isNamespaced: false },
  CustomResourceDefinition: { plural: "customresourcedefinitions", isNamespaced: false },
  PodMonitor: { plural: "podmonitors", isNamespaced: true },
};

export class Api {
  readonly #plane: ControlPlane;
  readonly #token: string;

  constructor(plane: ControlPlane, token: string = USERS.admin.token) {
    this.#plane = plane;
    this.#token = token;
  }

  async ask(method: string, path: string, body?: object, type = "json"): Promise<ApiReply> {
    const asked = request(`${this.#plane.server}${path}`, {
      method,
      ca: this.#plane.certificateAuthority,
      servername: "kubernetes.default.svc",
      headers: {
        authorization: `Bearer ${this.#token}`,
        "content-type": `application/${type}`,
      },
      agent: false,
      timeout: 30_000,
    });
    asked.on("timeout", () => asked.destroy(new Error(`${method} ${path}: no answer`)));
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = await once(asked, "response");
    const text = (await response.toArray()).join("");
    const isJson = /json/.test(response.headers["content-type"]);
    return { status: response.statusCode, object: isJson ? JSON.parse(text) : { message: text } };
  }

  /**
   * Server-side apply, refusing any field that the API does not know. `isDryRun`: everything but
   * the writing.
   */
  apply(manifest: Manifest, isDryRun: boolean): Promise<ApiReply> {
    const dryRun = isDryRun ? "&dryRun=All" : "";
    const query = `fieldManager=test&force=true&fieldValidation=Strict${dryRun}`;
    return this.ask("PATCH", `${pathOf(manifest)}?${query}`, manifest, "apply-patch+yaml");
  }

  /** A token of a service account, as the kubelet asks for one and mounts it into a Pod. */
  async tokenOf(account: string, namespace: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const { status, object } = await this.ask("POST", path, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    const { token } = (object.status ?? {}) as { token?: string };
    if (token === undefined) throw new Error(`${path}: ${status} ${JSON.stringify(object)}`);
    return token;
  }
}

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const where = PATHS[kind];
  if (where === undefined) throw new Error(`test/kubernetes/api.ts does not know kind ${kind}`);
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = where.isNamespaced ? `/namespaces/${metadata.namespace}` : "";
  return `${group}${namespace}/${where.plural}/${metadata.name}`;
}
