// Every field of a kubeconfig against a real API server with authentication and RBAC: whom does it
// take us for? It is asked by a SelfSubjectReview, whose answer is the server's own.

import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiAccess } from "../../controller/kubeconfig/access.ts";
import { accessFromDefaults, accessFromFile } from "../../controller/kubeconfig/load.ts";
import { KubernetesApi } from "../../controller/watch/kubernetes-api.ts";
import { runCommand } from "../namespaces/command.ts";
import { ControlPlane, USERS } from "./control-plane.ts";
import { Follower } from "./follower.ts";
import { KubeconfigFiles } from "./kubeconfig-files.ts";
import { httpProxy, socksProxy, type TestProxy } from "./proxies.ts";

const SECONDS = { timeout: 10_000, interval: 10 };
const PATIENCE_MS = 20_000;
const MAIN = new URL("../../build/portico", import.meta.url).pathname;

let plane: ControlPlane;
let files: KubeconfigFiles;
/** Of the present cluster entry. */
let usual: string;

beforeAll(async () => {
  files = new KubeconfigFiles();
  plane = await ControlPlane.start({
    apiServerFlags: [`--client-ca-file=${files.path("ca.crt")}`],
  });
  files.write("server-ca.crt", plane.certificateAuthority);
  usual = `server: "${plane.server}", certificate-authority: server-ca.crt`;
}, 900_000);

afterAll(async () => {
  await plane?.stop();
  files?.remove();
});

/** A kubeconfig file in the folder; its paths start there. */
function file(user: string, cluster = usual, name = "config"): string {
  return files.write(
    name,
    `clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`,
  );
}

function apiOf(user: string, cluster?: string): KubernetesApi {
  const path = file(user, cluster);
  const access = accessFromFile(path);
  return new KubernetesApi(() => access, "portico/test");
}

interface UserInfo {
  username: string;
  groups: string[];
  uid: string;
  extra: Record<string, string[]>;
}

async function whoAmI(api: KubernetesApi): Promise<Partial<UserInfo>> {
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const { status, body } = await api.send({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { type: "application/json", text: JSON.stringify(review) },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = Buffer.concat(await Array.fromAsync(body)).toString("utf8");
  if (status !== 201) return { username: `status ${status}` };
  return JSON.parse(text).status.userInfo;
}

async function nameOf(api: KubernetesApi): Promise<string | undefined> {
  return (await whoAmI(api)).username;
}

async function failureOf(api: KubernetesApi): Promise<{ code?: string; message: string }> {
  return whoAmI(api).then(
    ({ username }) => ({ message: `answered: ${username}` }),
    (error: Error) => error,
  );
}

describe("a token", () => {
  it("by text", async () => {
    expect(await nameOf(apiOf(`token: ${USERS.proxy.token}`))).toBe("system:kube-proxy");
    expect(await nameOf(apiOf("token: nonsense"))).toBe("status 401");
  });

  it("by tokenFile, whose change is seen, and whose going is survived", async () => {
    files.write("token", `${USERS.proxy.token}\n`);
    const api = apiOf("tokenFile: token");
    expect(await nameOf(api)).toBe("system:kube-proxy");
    files.write("token", USERS.admin.token);
    expect(await nameOf(api)).toBe("admin");
    for (const text of ["", "  \n"]) {
      files.write("token", text);
      expect(await nameOf(api)).toBe("admin");
    }
    rmSync(files.path("token"));
    expect(await nameOf(api)).toBe("admin");
    expect((await failureOf(apiOf("tokenFile: token"))).message).toMatch(/token file.*ENOENT/);
  });

  it("by both: the file's counts once it can be read", async () => {
    rmSync(files.path("token"), { force: true });
    const api = apiOf(`token: ${USERS.nobody.token}, tokenFile: token`);
    expect(await nameOf(api)).toBe("nobody");
    files.write("token", USERS.proxy.token);
    expect(await nameOf(api)).toBe("system:kube-proxy");
  });

  it("that is refused has the file read again", async () => {
    const path = file("token: nonsense");
    const api = new KubernetesApi(() => accessFromFile(path), "portico/test");
    expect(await nameOf(api)).toBe("status 401");
    file(`token: ${USERS.admin.token}`);
    expect(await nameOf(api)).toBe("status 401");
    expect(await nameOf(api)).toBe("admin");
  });
});

describe("a client certificate", () => {
  it("by file, by data, by one of each", async () => {
    files.certificate("one", "one", "system:masters");
    const file = "client-certificate: one.crt, client-key: one.key";
    const data =
      `client-certificate-data: ${files.base64("one.crt")}, ` +
      `client-key-data: ${files.base64("one.key")}`;
    const mixed = `client-certificate: one.crt, client-key-data: ${files.base64("one.key")}`;
    for (const user of [file, data, mixed]) {
      const { username, groups } = await whoAmI(apiOf(user));
      expect([username, groups]).toEqual(["one", ["system:masters", "system:authenticated"]]);
    }
  });

  it("is renewed: the next request has it, also between the writing of its two files", async () => {
    files.certificate("renewed", "before");
    const api = apiOf("client-certificate: renewed.crt, client-key: renewed.key");
    expect(await nameOf(api)).toBe("before");
    files.certificate("after", "after");
    files.write("renewed.crt", files.read("after.crt"));
    expect(await nameOf(api)).toBe("before");
    files.write("renewed.key", files.read("after.key"));
    expect(await nameOf(api)).toBe("after");
  });

  it("with the wrong key is named", async () => {
    files.certificate("two", "two");
    const { code, message } = (await failureOf(
      apiOf("client-certificate: one.crt, client-key: two.key"),
    )) as { code?: string; message: string };
    expect(code).toBe("credentials");
    expect(message).toContain("the client certificate and key cannot be used");
  });
});

it("a name and a password are sent, and are nobody to an API server of today", async () => {
  expect(await nameOf(apiOf("username: a, password: b"))).toBe("status 403");
});

it("impersonates", async () => {
  const as = "as: jane, as-uid: u-1, as-groups: [devs, ops], as-user-extra: {a.io/why: [x, y]}";
  const user = await whoAmI(apiOf(`token: ${USERS.admin.token}, ${as}`));
  expect(user).toEqual({
    username: "jane",
    uid: "u-1",
    groups: ["devs", "ops", "system:authenticated"],
    extra: { "a.io/why": ["x", "y"] },
  });
});

describe("an exec plugin", () => {
  const exec = (command: string, more = "") =>
    `exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, ` +
    `command: ${command}${more}}`;
  /** Prints a credential, and counts its runs. */
  const printing = (status: string) => `
echo run >> "$(dirname "$0")/runs"
cat <<END
{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ${status}}
END`;
  const runs = () => files.read("runs").split("\n").length - 1;

  it("by a path from the file's folder, with arguments, and its token is kept", async () => {
    files.write("runs", "");
    files.program("bin/login", printing('{"token": "$1-$KIND"}'));
    const api = apiOf(exec("./bin/login", ", args: [admin], env: [{name: KIND, value: token}]"));
    files.write("bin/runs", "");
    expect([await nameOf(api), await nameOf(api)]).toEqual(["admin", "admin"]);
    expect(files.read("bin/runs").trim()).toBe("run");
  });

  it("is run again when its credential has expired, or is refused", async () => {
    files.program("expiring", printing('{"token": "admin-token", "expirationTimestamp": "$1"}'));
    for (const [expires, expected] of [
      ["2020-01-01T00:00:00Z", 2],
      ["2999-01-01T00:00:00Z", 1],
    ]) {
      files.write("runs", "");
      const api = apiOf(exec("./expiring", `, args: ["${expires}"]`));
      expect([await nameOf(api), await nameOf(api)]).toEqual(["admin", "admin"]);
      expect(runs()).toBe(expected);
    }
    files.write("runs", "");
    files.program("renewing", printing('{"token": "$(cat "$(dirname "$0")/present")"}'));
    files.write("present", "nonsense");
    const api = apiOf(exec("./renewing"));
    expect(await nameOf(api)).toBe("status 401");
    files.write("present", USERS.proxy.token);
    expect([await nameOf(api), await nameOf(api)]).toEqual(Array(2).fill("system:kube-proxy"));
    expect(runs()).toBe(2);
  });

  it("brings a certificate, and knows the cluster when it may", async () => {
    files.certificate("plugin", "by-plugin");
    const pem = (name: string) => JSON.stringify(files.read(name));
    const certificate = `"clientCertificateData": ${pem("plugin.crt")}`;
    const status = `{${certificate}, "clientKeyData": ${pem("plugin.key")}}`;
    files.write("status", status);
    files.program(
      "certifying",
      `cd "$(dirname "$0")"; echo "$KUBERNETES_EXEC_INFO" > info
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": '
cat status; echo '}'`,
    );
    const extension = "extensions: [{name: client.authentication.k8s.io/exec, extension: {a: b}}]";
    const cluster = `${usual}, ${extension}`;
    const api = apiOf(exec("./certifying", ", provideClusterInfo: true"), cluster);
    expect(await nameOf(api)).toBe("by-plugin");
    expect(JSON.parse(files.read("info"))).toEqual({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      spec: {
        interactive: false,
        cluster: {
          server: plane.server,
          "certificate-authority-data": files.base64("server-ca.crt"),
          config: { a: "b" },
        },
      },
    });
    await nameOf(apiOf(exec("./certifying")));
    expect(JSON.parse(files.read("info")).spec).toEqual({ interactive: false });
  });

  it("that fails is named with its last words and its hint", async () => {
    const message = async (command: string, more = "") =>
      (await failureOf(apiOf(exec(command, more)))).message;
    files.program("failing", "echo 'no session: log in' >&2; exit 3");
    expect(await message("./failing")).toMatch(/failing exited with 3: no session: log in$/);
    expect(await message("nowhere-login", ", installHint: get it at example.com")).toMatch(
      /the exec plugin nowhere-login was not found; get it at example.com$/,
    );
    files.program("wordless", "echo hello");
    expect(await message("./wordless")).toContain("it does not print JSON");
    files.program("empty", printing("{}"));
    expect(await message("./empty")).toContain("it prints neither a token nor a certificate");
    files.program("older", printing('{"token": "a"}').replace("io/v1", "io/v1beta1"));
    expect(await message("./older")).toContain('it prints "ExecCredential" of "client.authent');
  });

  it("is not asked where there is something else", async () => {
    const both = `token: ${USERS.proxy.token}, ${exec("./nowhere")}`;
    expect(await nameOf(apiOf(both))).toBe("system:kube-proxy");
  });
});

describe("the API server is recognised", () => {
  const token = `token: ${USERS.proxy.token}`;

  it("by a file, by data, by another name, or not at all", async () => {
    const server = `server: "${plane.server}"`;
    const data = `certificate-authority-data: ${files.base64("server-ca.crt")}`;
    const named = "tls-server-name: kubernetes.default.svc";
    for (const more of [data, `${data}, ${named}`, "insecure-skip-tls-verify: true"]) {
      expect(await nameOf(apiOf(token, `${server}, ${more}`))).toBe("system:kube-proxy");
    }
    const stranger = await failureOf(apiOf(token, `${usual}, tls-server-name: other.example`));
    expect(stranger.code).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    expect((await failureOf(apiOf(token, server))).message).toMatch(/self.signed|unable to/i);
  });

  it("by an authority that is renewed in its file", async () => {
    files.write("renewed-ca.crt", files.read("ca.crt"));
    const renewed = `server: "${plane.server}", certificate-authority: renewed-ca.crt`;
    const api = apiOf(token, renewed);
    expect((await failureOf(api)).message).toMatch(/self.signed|unable to/i);
    files.write("renewed-ca.crt", plane.certificateAuthority);
    expect(await nameOf(api)).toBe("system:kube-proxy");
    files.write("renewed-ca.crt", "nonsense");
    expect(await nameOf(api)).toBe("system:kube-proxy");
    const { code, message } = await failureOf(apiOf(token, renewed));
    expect([code, message]).toEqual([
      "credentials",
      expect.stringContaining("the certificate-authority holds no certificate in PEM"),
    ]);
  });
});

describe("a proxy", () => {
  const token = `token: ${USERS.proxy.token}`;
  const through = (url: string) => apiOf(token, `${usual}, proxy-url: "${url}"`);

  async function expectTaken(proxy: TestProxy, url: string): Promise<void> {
    try {
      const api = through(url);
      expect([await nameOf(api), await nameOf(api)]).toEqual(Array(2).fill("system:kube-proxy"));
      expect(proxy.asked).toEqual([new URL(plane.server).host]);
    } finally {
      proxy.close();
    }
  }

  it("of HTTP, in the clear or inside TLS, with and without a login", async () => {
    const open = await httpProxy();
    await expectTaken(open, `http://127.0.0.1:${open.port}`);
    const closed = await httpProxy("me:p@ss");
    await expectTaken(closed, `http://me:p%40ss@127.0.0.1:${closed.port}`);
    files.certificate("proxy", "proxy");
    const certificate = { cert: files.read("proxy.crt"), key: files.read("proxy.key") };
    files.write("both.crt", plane.certificateAuthority + files.read("ca.crt"));
    const secure = await httpProxy(undefined, certificate);
    const server = `server: "${plane.server}", certificate-authority: both.crt`;
    const url = `https://localhost:${secure.port}`;
    expect(await nameOf(apiOf(token, `${server}, proxy-url: "${url}"`))).toBe("system:kube-proxy");
    expect(secure.asked).toHaveLength(1);
    secure.close();
  });

  it("of SOCKS5, with and without a login", async () => {
    const open = await socksProxy();
    await expectTaken(open, `socks5://127.0.0.1:${open.port}`);
    const closed = await socksProxy("me:secret");
    await expectTaken(closed, `socks5://me:secret@127.0.0.1:${closed.port}`);
  });

  it("that refuses, or is not there, is named without its password", async () => {
    const closed = await httpProxy("me:secret");
    const refused = await failureOf(through(`http://me:wrong@127.0.0.1:${closed.port}`));
    expect(refused.code).toBe("unreachable");
    expect(refused.message).toMatch(/The proxy .*127.0.0.1:\d+: it answers 407 .* to CONNECT/);
    expect(refused.message).not.toContain("wrong");
    closed.close();
    const socks = await socksProxy("me:secret");
    const socksUrl = `socks5://me:wrong@127.0.0.1:${socks.port}`;
    expect((await failureOf(through(socksUrl))).message).toContain("does not accept the name");
    expect((await failureOf(through(`socks5://127.0.0.1:${socks.port}`))).message).toMatch(
      /login|name/,
    );
    socks.close();
    const gone = await failureOf(through("http://127.0.0.1:9"));
    expect(gone.message).toMatch(/The proxy .*127.0.0.1:9: .*ECONNREFUSED/);
  });
});

describe("the commands", () => {
  it("watch, by the file that kubeadm writes, with kube-proxy's rights", async () => {
    files.write("token", USERS.proxy.token);
    const follower = new Follower(accessFromFile(file("tokenFile: token")));
    await expect.poll(() => follower.state.isSynced(), SECONDS).toBe(true);
    expect(follower.failureCodes).toEqual([]);
    await follower.stop();
  });

  it("doctor and check read the same files", async () => {
    files.write("token", USERS.proxy.token);
    const config = file("tokenFile: token");
    const asked = { allowFailure: true };
    const options = ["--kubeconfig", config, "-o", "json"];
    const doctor = await runCommand(MAIN, ["doctor", ...options], asked);
    expect(JSON.parse(doctor.stdout).findings).toBeInstanceOf(Array);
    const check = await runCommand(MAIN, ["check", ...options], asked);
    expect(check.stdout).not.toContain("cannot read the Service CIDRs");
    expect(check.stdout).toContain("{");
  });

  it("find several files as kubectl does", async () => {
    const whole = file(`token: ${USERS.proxy.token}`, usual, "whole");
    const first = files.write("first", `users: [{name: u, user: {token: ${USERS.admin.token}}}]\n`);
    const before = process.env.KUBECONFIG;
    process.env.KUBECONFIG = `${files.path("missing")}:${first}:${whole}`;
    try {
      const access: ApiAccess = accessFromDefaults();
      expect(await nameOf(new KubernetesApi(() => access, "portico/test"))).toBe("admin");
    } finally {
      if (before === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = before;
    }
  });
});
