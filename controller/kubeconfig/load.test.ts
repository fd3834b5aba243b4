import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { accessFromDefaults, accessFromFile, accessFromText, accessInCluster } from "./load.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-kubeconfig-"));
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "");
  for (const name of ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]) {
    vi.stubEnv(name, "");
  }
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string): string {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** A kubeconfig of one context. */
function config(cluster: string, user: string): string {
  return `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;
}

const SERVER = 'server: "https://10.0.0.1:6443"';

function userOf(user: string) {
  return accessFromText(config(SERVER, user)).user;
}

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return `${message} | ${hint}`;
  }
  return "no error";
}

describe("a file", () => {
  it("as kubeadm writes it for kube-proxy", () => {
    const file = write(
      "kubeconfig.conf",
      `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: https://control-plane.example:6443
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
`,
    );
    const access = accessFromFile(file);
    expect(access.server).toBe("https://control-plane.example:6443");
    expect(access.namespace).toBe("default");
    const folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    expect(access.tls.authority).toEqual({ file: `${folder}/ca.crt` });
    expect(access.user.token).toEqual({ text: "", file: `${folder}/token` });
  });

  it("has its relative paths start from its own folder", () => {
    const user =
      "client-certificate: pki/a.crt, client-key: ../a.key, tokenFile: token, " +
      "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./bin/login}";
    const file = write("here/config", config(`${SERVER}, certificate-authority: ca.crt`, user));
    const access = accessFromFile(file);
    const here = join(directory, "here");
    expect(access.tls.authority).toEqual({ file: join(here, "ca.crt") });
    expect(access.user.token?.file).toBe(join(here, "token"));
    expect(access.user.certificate).toEqual({
      cert: { file: join(here, "pki/a.crt") },
      key: { file: join(directory, "a.key") },
    });
    expect(access.user.exec?.command).toBe(join(here, "bin/login"));
  });

  it("may be JSON, have a byte order mark, Windows line ends, tags and a second document", () => {
    const json = JSON.stringify({
      clusters: [{ name: "c", cluster: { server: "https://a" } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    });
    expect(accessFromText(json).server).toBe("https://a");
    const text = `\uFEFF${config(SERVER, "token: t")}---\nother: 1\n`.replaceAll("\n", "\r\n");
    expect(accessFromText(text).user.token?.text).toBe("t");
  });

  test.each<[string, string, RegExp]>([
    ["no YAML", "{ a: [", /cannot be read: /],
    ["a list", "[1]", /it contains no object/],
    ["another kind", "apiVersion: v1\nkind: Pod\n", /kind is "Pod"; it must be Config/],
    ["another version", "apiVersion: v2\nkind: Config\n", /apiVersion is "v2"; it must be v1/],
    ["empty", "", /has no current-context \| .*use-context NAME \(it has: none\)/],
    ["no current context", "contexts: [{name: b}]", /\(it has: b\)/],
    ["an unknown one", "current-context: a\ncontexts: [{name: b}]", /no context "a" \| It has: b/],
    ["one name twice", "clusters: [{name: a}, {name: a}]", /clusters: two have the name "a"/],
    ["no such cluster", "current-context: x\ncontexts: [{name: x}]", /there is no cluster ""/],
    ["no such user", config(SERVER, "").replace("user: u}", "user: v}"), /there is no user "v"/],
    ["no list", "current-context: x\nusers: {}", /users is an object; it must be a list/],
  ])("is named with what is wrong with it: %s", (_, text, expected) => {
    expect(messageOf(() => accessFromText(text))).toMatch(expected);
  });

  it("that is not there is named", () => {
    expect(messageOf(() => accessFromFile("/nowhere/config"))).toContain(
      "/nowhere/config cannot be read: ENOENT",
    );
  });
});

describe("a cluster", () => {
  const clusterOf = (cluster: string) => accessFromText(config(cluster, "token: t"));

  test.each<[string, string]>([
    ["https://a.example:6443/", "https://a.example:6443"],
    ["https://a.example/k8s/clusters/c-1", "https://a.example/k8s/clusters/c-1"],
    ["https://[fd00::1]:6443", "https://[fd00::1]:6443"],
    ["http://127.0.0.1:8001", "http://127.0.0.1:8001"],
    ["10.0.0.1:8080", "http://10.0.0.1:8080"],
  ])("at %s", (given, server) => {
    expect(clusterOf(`server: "${given}"`).server).toBe(server);
  });

  it("without a scheme is asked by TLS where anything says so", () => {
    const secure = clusterOf('server: "10.0.0.1:6443", insecure-skip-tls-verify: true');
    expect(secure.server).toBe("https://10.0.0.1:6443");
  });

  it("has its authority from data, another name, a proxy", () => {
    const data = Buffer.from("PEM").toString("base64");
    const access = clusterOf(
      `${SERVER}, certificate-authority-data: ${data}, tls-server-name: kubernetes, ` +
        'proxy-url: "socks5://proxy.example:1080", disable-compression: true',
    );
    expect(access.tls).toEqual({
      serverName: "kubernetes",
      insecure: false,
      authority: { text: "PEM" },
    });
    expect(access.proxy?.href).toBe("socks5://proxy.example:1080");
  });

  test.each<[string, RegExp]>([
    ["server: nonsense/path", /server is "nonsense\/path", which is not a URL/],
    ["", /server is "", which is not a URL/],
    ["server: 6443", /cluster "c": server is a number; it must be a text: put it in quotes/],
    [`${SERVER}, certificate-authority-data: "#"`, /certificate-authority-data is not base64/],
    [
      `${SERVER}, certificate-authority: a, certificate-authority-data: YQ==`,
      /certificate-authority and certificate-authority-data: leave one out/,
    ],
    [
      `${SERVER}, certificate-authority: a, insecure-skip-tls-verify: true`,
      /insecure-skip-tls-verify and a certificate-authority: leave one out/,
    ],
    [`${SERVER}, insecure-skip-tls-verify: "true"`, /is a string; it must be true or false/],
    [`${SERVER}, proxy-url: "ftp://a"`, /proxy-url must be a URL of scheme http, https or socks5/],
  ])("is refused: %s", (cluster, expected) => {
    expect(messageOf(() => clusterOf(cluster))).toMatch(expected);
  });
});

describe("a user", () => {
  it("impersonates another, with groups, UID and more", () => {
    const more = "as: jane, as-uid: u-1, as-groups: [a, b], as-user-extra: {a.io/Reason: [x, y]}";
    expect(userOf(`token: t, ${more}`).impersonation).toEqual({
      "Impersonate-User": "jane",
      "Impersonate-Uid": "u-1",
      "Impersonate-Group": ["a", "b"],
      "Impersonate-Extra-a.io%2FReason": ["x", "y"],
    });
  });

  it("with an exec plugin, whose version 1beta1 needs no interactiveMode", () => {
    const exec = (version: string, more = "") =>
      `exec: {apiVersion: client.authentication.k8s.io/${version}, command: login, ` +
      `args: [a], env: [{name: A, value: b}], installHint: "get it"${more}}`;
    expect(userOf(exec("v1beta1")).exec).toEqual({
      apiVersion: "client.authentication.k8s.io/v1beta1",
      command: "login",
      args: ["a"],
      env: { A: "b" },
      installHint: "get it",
      interactiveMode: "IfAvailable",
      clusterInfo: undefined,
    });
    const told = userOf(exec("v1", ", interactiveMode: Never, provideClusterInfo: true")).exec;
    expect(told?.clusterInfo).toMatchObject({ server: "https://10.0.0.1:6443" });
    expect(messageOf(() => userOf(exec("v1")))).toMatch(/interactiveMode is ""; it must be one of/);
    expect(messageOf(() => userOf(exec("v1alpha1")))).toMatch(/apiVersion is "client.*v1alpha1"/);
  });

  it("of the provider oidc is known by the token that kubectl keeps there", () => {
    const oidc = "auth-provider: {name: oidc, config: {id-token: t}}";
    expect(userOf(oidc).token).toEqual({ text: "t", file: undefined });
  });

  test.each<[string, RegExp]>([
    ["token: 12345", /user "u": token is a number; it must be a text/],
    ["token-file: a", /token-file must be spelt tokenFile/],
    ["token: t, username: a, password: b", /both a token and a username or password/],
    ["client-certificate: a", /client-certificate needs client-key or client-key-data/],
    ["client-certificate-data: '*'", /client-certificate-data is not base64/],
    ["as-groups: [a]", /as-uid, as-groups and as-user-extra need as/],
    ["auth-provider: {name: gcp}", /the auth-provider "gcp" is not supported: use a token/],
    ["exec: {apiVersion: client.authentication.k8s.io/v1beta1}", /exec: command is missing/],
    ["exec: [], token: t", /exec is a list|exec: it is a list/],
  ])("is refused: %s", (user, expected) => {
    const message = messageOf(() => userOf(user));
    expect(message).toMatch(expected);
    expect(message).not.toContain("12345");
  });
});

describe("several files in KUBECONFIG", () => {
  it("are merged: the first to name an entry wins, whole", () => {
    const one = write(
      "one/config",
      "clusters: [{name: c, cluster: {server: 'https://one', certificate-authority: ca.crt}}]\n" +
        "users: [{name: u, user: {token: one}}]\n",
    );
    const two = write(
      "two/config",
      `${config("server: 'https://two', tls-server-name: two", "token: two")}
preferences: {colors: true}
`.replace("name: x", "name: x, other: 1"),
    );
    const three = write("three/config", `${config("", "")}`.replaceAll(": x", ": y"));
    vi.stubEnv("KUBECONFIG", [one, "", "/nowhere", one, two, three].join(":"));
    const access = accessFromDefaults();
    expect(access.server).toBe("https://one");
    expect(access.tls.authority).toEqual({ file: join(directory, "one/ca.crt") });
    expect(access.tls.serverName).toBeUndefined();
    expect(access.user.token?.text).toBe("one");
    expect(accessFromDefaults("y").server).toBe("https://one");
    expect(messageOf(() => accessFromDefaults("z"))).toMatch(/no context "z" \| It has: x, y/);
  });

  it("of which none is there are named", () => {
    vi.stubEnv("KUBECONFIG", "/nowhere/a:/nowhere/b");
    expect(messageOf(() => accessFromDefaults())).toContain("/nowhere/a, /nowhere/b");
  });
});

it("is not looked for in a cluster where there is none", () => {
  expect(messageOf(() => accessInCluster())).toContain(
    "Not running in a Pod with a service account",
  );
});
