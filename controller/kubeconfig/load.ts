// The places of the API server's address and credentials → an ApiAccess: kubeconfig files as
// kubectl and kube-proxy find them, or a Pod's service account.

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { recordOf } from "../model/json.ts";
import type { ApiAccess } from "./access.ts";
import { ApiFailure } from "./api-failure.ts";
import { clusterFrom } from "./cluster.ts";
import { Fields } from "./fields.ts";
import { type MergedFiles, mergedFiles } from "./merge.ts";
import { proxyFromEnvironment } from "./proxy.ts";
import { userFrom } from "./user.ts";

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Reads one file, which must exist. Throws an ApiFailure "credentials". */
export function accessFromFile(path: string, context?: string): ApiAccess {
  return accessFromText(textOf(path), path, context);
}

/**
 * Relative paths start from the folder of `path`, which need not exist. Throws an ApiFailure
 * "credentials".
 */
export function accessFromText(text: string, path = "kubeconfig", context?: string): ApiAccess {
  return accessFrom(`the kubeconfig ${path}`, [{ path, text }], context);
}

/**
 * Finds it like kubectl: the existing files of $KUBECONFIG, or ~/.kube/config, or the Pod's service
 * account. Throws an ApiFailure "credentials" where there is none.
 */
export function accessFromDefaults(context?: string): ApiAccess {
  const list = process.env.KUBECONFIG || join(homedir(), ".kube", "config");
  const paths = [...new Set(list.split(delimiter))].filter((path) => path !== "");
  const present = paths.filter((path) => existsSync(path));
  if (present.length === 0) {
    if (process.env.KUBECONFIG && !isInPod()) {
      const message = `None of the files in KUBECONFIG exists: ${paths.join(", ")}`;
      throw new ApiFailure("credentials", message, "Set KUBECONFIG, or use --kubeconfig FILE.");
    }
    return accessInCluster();
  }
  const source = `the kubeconfig ${present.join(delimiter)}`;
  return accessFrom(
    source,
    present.map((path) => ({ path, text: textOf(path) })),
    context,
  );
}

/** Uses the Pod's service account. Throws an ApiFailure "credentials" outside a Pod. */
export function accessInCluster(): ApiAccess {
  if (!isInPod()) {
    const message = "Not running in a Pod with a service account";
    throw new ApiFailure("credentials", message, "Use --kubeconfig FILE or --manifests DIR.");
  }
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port } = process.env;
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(server)) {
    const message = `KUBERNETES_SERVICE_HOST and _PORT make ${server}, which is not a URL`;
    throw new ApiFailure("credentials", message, "Set them to the API server's address and port.");
  }
  const authority = { file: `${SERVICE_ACCOUNT}/ca.crt` };
  const namespace = `${SERVICE_ACCOUNT}/namespace`;
  return {
    source: "the Pod's service account",
    server,
    namespace: existsSync(namespace) ? readFileSync(namespace, "utf8").trim() : undefined,
    tls: {
      serverName: undefined,
      insecure: false,
      authority: existsSync(authority.file) ? authority : undefined,
    },
    user: {
      certificate: undefined,
      token: { text: "", file: `${SERVICE_ACCOUNT}/token` },
      basic: undefined,
      exec: undefined,
      impersonation: {},
    },
    proxy: proxyFromEnvironment(server, process.env),
  };
}

function isInPod(): boolean {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  return Boolean(host && port) && existsSync(`${SERVICE_ACCOUNT}/token`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const message = `The kubeconfig ${path} cannot be read: ${(error as Error).message}`;
    throw new ApiFailure("credentials", message, "Check the path.");
  }
}

function accessFrom(
  source: string,
  files: readonly { path: string; text: string }[],
  context: string | undefined,
): ApiAccess {
  const merged = mergedOf(files);
  const name = context ?? merged.currentContext;
  const entry = merged.contexts.get(name);
  if (!entry) throw noContext(source, name, merged);
  const problems: string[] = [];
  const fields = new Fields(`context ${JSON.stringify(name)}`, entry.json, problems);
  const clusterName = fields.text("cluster");
  const userName = fields.text("user");
  const user = userFrom(userName, merged.users.get(userName), problems);
  const hasCertificate = user.certificate !== undefined;
  const cluster = clusterFrom(
    clusterName,
    merged.clusters.get(clusterName),
    hasCertificate,
    problems,
  );
  if (!cluster || problems.length > 0) {
    const message = `${capital(source)} cannot be used: ${problems.join("; ")}`;
    throw new ApiFailure("credentials", message, "Fix the file, or choose another context.");
  }
  const { server, tls, proxy, description } = cluster;
  const exec = user.exec && {
    ...user.exec,
    clusterInfo: user.exec.clusterInfo && recordOf(description),
  };
  const namespace = fields.text("namespace") || undefined;
  return { source, server, namespace, tls, user: { ...user, exec }, proxy };
}

function mergedOf(files: readonly { path: string; text: string }[]): MergedFiles {
  try {
    return mergedFiles(files);
  } catch (error) {
    throw new ApiFailure("credentials", capital((error as Error).message), "Fix the file.");
  }
}

function noContext(source: string, name: string, { contexts }: MergedFiles): ApiFailure {
  const known = [...contexts.keys()].join(", ") || "none";
  if (name === "") {
    const message = `${capital(source)} has no current-context`;
    return new ApiFailure(
      "credentials",
      message,
      `Set it: kubectl config use-context NAME (it has: ${known}).`,
    );
  }
  const message = `${capital(source)} has no context ${JSON.stringify(name)}`;
  return new ApiFailure("credentials", message, `It has: ${known}.`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
