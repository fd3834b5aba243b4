// The user of a kubeconfig's context → an ApiUser. After client-go's clientcmd (validateAuthInfo,
// getUserIdentificationPartialConfig) and transport (round_trippers.go).

import { resolve } from "node:path";
import type { ApiUser, ExecPlugin } from "./access.ts";
import { materialFrom } from "./cluster.ts";
import { Fields } from "./fields.ts";
import type { Entry } from "./merge.ts";

const EXEC_GROUP = "client.authentication.k8s.io";
const EXEC_VERSIONS = [`${EXEC_GROUP}/v1`, `${EXEC_GROUP}/v1beta1`];
const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"] as const;

/**
 * Without a name there is no user, and requests count as system:anonymous. (client-go does the same
 * for an unknown name; here that is a problem.)
 */
export function userFrom(name: string, entry: Entry | undefined, problems: string[]): ApiUser {
  if (!entry && name !== "") {
    problems.push(`there is no user ${JSON.stringify(name)}, which the context names`);
  }
  const fields = new Fields(`user ${JSON.stringify(name)}`, entry?.json, problems);
  const folder = entry?.folder ?? "";
  const basic = { username: fields.text("username"), password: fields.text("password") };
  const hasBasic = basic.username !== "" || basic.password !== "";
  const token = tokenFrom(fields, folder);
  if (hasBasic && token) fields.problem("both a token and a username or password: leave one out");
  return {
    certificate: certificateFrom(fields, folder),
    token,
    basic: hasBasic ? basic : undefined,
    exec: execFrom(fields, folder),
    impersonation: impersonationFrom(fields),
  };
}

function tokenFrom(fields: Fields, folder: string): ApiUser["token"] {
  const text = fields.text("token");
  const file = fields.text("tokenFile");
  if (fields.names.includes("token-file")) fields.problem("token-file must be spelt tokenFile");
  if (text === "" && file === "") return oidcToken(fields);
  return { text, file: file === "" ? undefined : resolve(folder, file) };
}

function certificateFrom(fields: Fields, folder: string): ApiUser["certificate"] {
  const cert = materialFrom(fields, "client-certificate", folder);
  const key = materialFrom(fields, "client-key", folder);
  if (cert && key) return { cert, key };
  if (cert) fields.problem("client-certificate needs client-key or client-key-data");
  return undefined;
}

/**
 * The only auth-provider left in Kubernetes' clients is oidc, which kubectl renews in the file
 * itself. So this uses its ID token as it is in the file.
 */
function oidcToken(fields: Fields): ApiUser["token"] {
  const provider = fields.section("auth-provider");
  if (!provider) return undefined;
  const name = provider.text("name");
  const text = name === "oidc" ? (provider.section("config")?.text("id-token") ?? "") : "";
  if (text !== "") return { text, file: undefined };
  fields.problem(
    `the auth-provider ${JSON.stringify(name)} is not supported: use a token, a client ` +
      "certificate, or an exec plugin (kubelogin, gke-gcloud-auth-plugin)",
  );
  return undefined;
}

function execFrom(user: Fields, folder: string): ExecPlugin | undefined {
  const fields = user.section("exec");
  if (!fields) return undefined;
  if (user.section("auth-provider")) user.problem("both exec and auth-provider: leave one out");
  const apiVersion = fields.text("apiVersion");
  if (!EXEC_VERSIONS.includes(apiVersion)) {
    const given = JSON.stringify(apiVersion);
    fields.problem(`apiVersion is ${given}; it must be one of ${EXEC_VERSIONS.join(", ")}`);
  }
  const command = fields.text("command");
  if (command === "") fields.problem("command is missing");
  return {
    apiVersion,
    command: command.includes("/") ? resolve(folder, command) : command,
    args: fields.texts("args"),
    env: environmentFrom(fields),
    interactiveMode: interactiveModeFrom(fields, apiVersion),
    installHint: fields.text("installHint").replace(/\p{Cc}/gu, " "),
    clusterInfo: fields.flag("provideClusterInfo") ? {} : undefined,
  };
}

function environmentFrom(fields: Fields): Record<string, string> {
  const env: Record<string, string> = {};
  for (const each of fields.sections("env")) {
    const name = each.text("name");
    if (name === "") each.problem("name is missing");
    env[name] = each.text("value");
  }
  return env;
}

function interactiveModeFrom(fields: Fields, apiVersion: string): ExecPlugin["interactiveMode"] {
  const given = fields.text("interactiveMode");
  if (given === "" && apiVersion === `${EXEC_GROUP}/v1beta1`) return "IfAvailable";
  const known = INTERACTIVE_MODES.find((mode) => mode === given);
  if (!known) {
    const values = INTERACTIVE_MODES.join(", ");
    fields.problem(`interactiveMode is ${JSON.stringify(given)}; it must be one of ${values}`);
  }
  return known ?? "Never";
}

function impersonationFrom(fields: Fields): ApiUser["impersonation"] {
  const name = fields.text("as");
  const uid = fields.text("as-uid");
  const groups = fields.texts("as-groups");
  const extra = fields.section("as-user-extra");
  if (name === "") {
    const hasMore = uid !== "" || groups.length > 0 || (extra?.names.length ?? 0) > 0;
    if (hasMore) fields.problem("as-uid, as-groups and as-user-extra need as");
    return {};
  }
  const headers: ApiUser["impersonation"] = { "Impersonate-User": name };
  if (uid !== "") headers["Impersonate-Uid"] = uid;
  if (groups.length > 0) headers["Impersonate-Group"] = groups;
  for (const key of extra?.names ?? []) {
    headers[`Impersonate-Extra-${escapedKey(key)}`] = extra?.texts(key) ?? [];
  }
  return headers;
}

/** Writes bytes that a header's name cannot have, and the percent sign, as %XX. */
function escapedKey(key: string): string {
  return key.replace(/[^!#$&'*+\-.^_`|~0-9A-Za-z]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );
}
