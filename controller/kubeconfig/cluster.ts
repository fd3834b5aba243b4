// The cluster of a kubeconfig's context → the API server's address and how to verify it. After
// client-go's clientcmd (validateClusterInfo) and rest (DefaultServerURL).

import { resolve } from "node:path";
import type { ApiAccess, Material } from "./access.ts";
import { Fields } from "./fields.ts";
import type { Entry } from "./merge.ts";
import { proxyFromEnvironment, proxyFromText } from "./proxy.ts";

interface Cluster extends Pick<ApiAccess, "server" | "tls" | "proxy"> {
  /** What an exec plugin gets, without the CA; see ExecPlugin. */
  description: Record<string, unknown>;
}

/** Returns undefined when it has problems. `hasCertificate`: the user's, which requires TLS. */
export function clusterFrom(
  name: string,
  entry: Entry | undefined,
  hasCertificate: boolean,
  problems: string[],
): Cluster | undefined {
  if (!entry) {
    problems.push(`there is no cluster ${JSON.stringify(name)}, which the context names`);
    return undefined;
  }
  const fields = new Fields(`cluster ${JSON.stringify(name)}`, entry.json, problems);
  const before = problems.length;
  const authority = materialFrom(fields, "certificate-authority", entry.folder);
  const insecure = fields.flag("insecure-skip-tls-verify");
  if (insecure && authority) {
    fields.problem("insecure-skip-tls-verify and a certificate-authority: leave one out");
  }
  const isSecure = insecure || authority !== undefined || hasCertificate;
  const server = serverFrom(fields, isSecure);
  const serverName = fields.text("tls-server-name");
  const proxy = proxyOf(fields, server);
  if (problems.length > before) return undefined;
  const tls = { serverName: serverName || undefined, insecure, authority };
  const description = {
    server,
    ...(serverName !== "" && { "tls-server-name": serverName }),
    ...(insecure && { "insecure-skip-tls-verify": true }),
    ...(proxy && { "proxy-url": proxy.href }),
    ...(fields.flag("disable-compression") && { "disable-compression": true }),
    config: execExtension(fields),
  };
  return { server, tls, proxy, description };
}

/** Returns PEM from data or file; undefined when there is neither. Both are a problem. */
export function materialFrom(fields: Fields, name: string, folder: string): Material | undefined {
  const text = fields.data(`${name}-data`);
  const file = fields.text(name);
  if (text !== "" && file !== "") fields.problem(`${name} and ${name}-data: leave one out`);
  if (text !== "") return { text };
  return file === "" ? undefined : { file: resolve(folder, file) };
}

/** An address without a scheme means https where any TLS setting is given. */
function serverFrom(fields: Fields, isSecure: boolean): string {
  const given = fields.text("server");
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(given);
  const url = URL.parse(hasScheme ? given : `${isSecure ? "https" : "http"}://${given}`);
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  if (url && isWeb && (hasScheme || url.pathname === "/")) {
    return `${url.protocol}//${url.host}${url.pathname}`.replace(/\/+$/, "");
  }
  const shown = JSON.stringify(given);
  fields.problem(`server is ${shown}, which is not a URL such as https://10.0.0.1:6443`);
  return "";
}

function proxyOf(fields: Fields, server: string): URL | undefined {
  const given = fields.text("proxy-url");
  if (given === "") return server === "" ? undefined : proxyFromEnvironment(server, process.env);
  const proxy = proxyFromText(given);
  if (!proxy) fields.problem("proxy-url must be a URL of scheme http, https or socks5");
  return proxy;
}

/** Returns the extension for exec plugins; undefined (no field) when there is none. */
function execExtension(fields: Fields): unknown {
  const named = fields.sections("extensions");
  const own = named.find((each) => each.text("name") === "client.authentication.k8s.io/exec");
  return own?.raw("extension");
}
