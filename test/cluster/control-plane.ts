// A real Kubernetes control plane on this machine: etcd, kube-apiserver and the controllers that
// Services need. No kubelet, no scheduler: Pods are API objects whose status a test writes
// (objects.ts).

import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import type { ApiAccess } from "../../controller/kubeconfig/access.ts";
import { accessFromText } from "../../controller/kubeconfig/load.ts";
import { type Bridge, bridgeInto } from "./bridge.ts";
import { buildControlPlane, type Program, type Programs } from "./build.ts";
import { RunningProgram } from "./program.ts";

const READY_DEADLINE_MS = 60_000;
const CONTROLLERS = [
  "endpointslice-controller",
  "endpointslice-mirroring-controller",
  "garbage-collector-controller", // removes the EndpointSlices of a deleted Service
  "namespace-controller",
  "service-cidr-controller",
];

/** Who a kubeconfig speaks for. */
export const USERS = {
  /** May do everything. */
  admin: { token: "admin-token", name: "admin", groups: "system:masters" },
  /** Has the rights that Kubernetes gives kube-proxy (ClusterRole system:node-proxier), no more. */
  proxy: { token: "proxy-token", name: "system:kube-proxy", groups: "" },
  /** Is known and may do nothing. */
  nobody: { token: "nobody-token", name: "nobody", groups: "" },
} as const;
export type User = keyof typeof USERS;

interface ControlPlaneOptions {
  /** Runs a command inside the network namespace where the control plane lives; absent: here. */
  prefix?: readonly string[];
  /** What kube-apiserver listens on, in that namespace; absent: 127.0.0.1. Its lo must be up. */
  address?: string;
  serviceClusterIPRange?: string;
  /** Whether kube-controller-manager runs; absent: it does. */
  withControllers?: boolean;
  /** What saveData wrote: etcd begins with a copy of it; absent: with nothing. */
  etcdData?: string;
  /** More flags for kube-apiserver; of a flag given twice the last counts. */
  apiServerFlags?: readonly string[];
}

export class ControlPlane {
  readonly #programs: Programs;
  readonly #options: Required<ControlPlaneOptions>;
  readonly #directory = mkdtempSync(join(tmpdir(), "portico-control-plane-"));
  readonly #running = new Map<Program, RunningProgram>();
  readonly #bridges: Bridge[] = [];
  #etcdPort = 0;
  #peerPort = 0;
  #port = 0;
  /** Where this process reaches kube-apiserver and etcd. */
  #reached = { server: "", etcd: "" };

  private constructor(programs: Programs, options: ControlPlaneOptions) {
    this.#programs = programs;
    this.#options = {
      prefix: [],
      address: "127.0.0.1",
      serviceClusterIPRange: "10.96.0.0/16",
      withControllers: true,
      etcdData: "",
      apiServerFlags: [],
      ...options,
    };
  }

  /** Builds the programs if need be, and returns when the API server says that it is ready. */
  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const programs = await buildControlPlane((line) => console.error(line));
    const plane = new ControlPlane(programs, options);
    try {
      await plane.#start();
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  async #start(): Promise<void> {
    [this.#etcdPort, this.#port] = [await freePort(), await freePort()];
    this.#peerPort = await freePort();
    this.#writeCredentials();
    const { etcdData } = this.#options;
    if (etcdData !== "") cpSync(etcdData, this.#file("etcd"), { recursive: true });
    this.#startEtcd();
    this.#reached = {
      server: `https://${await this.#reach(this.#options.address, this.#port)}`,
      etcd: `http://${await this.#reach("127.0.0.1", this.#etcdPort)}`,
    };
    await this.startApiServer();
    if (this.#options.withControllers) this.#startControllers();
  }

  #startEtcd(): void {
    const client = `http://127.0.0.1:${this.#etcdPort}`;
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    this.#run("etcd", [
      `--data-dir=${this.#file("etcd")}`,
      "--unsafe-no-fsync",
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ]);
  }

  #startControllers(): void {
    const server = `https://${this.#options.address}:${this.#port}`;
    writeFileSync(this.#file("controllers.json"), this.#kubeconfigText("admin", server));
    this.#run("kube-controller-manager", [
      `--kubeconfig=${this.#file("controllers.json")}`,
      `--controllers=${CONTROLLERS.join(",")}`,
      "--leader-elect=false",
      "--secure-port=0",
      "--kube-api-qps=500",
      "--kube-api-burst=1000",
    ]);
  }

  /** "address:port" where this process reaches a port of the control plane's namespace. */
  async #reach(address: string, port: number): Promise<string> {
    if (this.#options.prefix.length === 0) return `${address}:${port}`;
    const bridge = await bridgeInto(this.#options.prefix, address, port);
    this.#bridges.push(bridge);
    return `127.0.0.1:${bridge.port}`;
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  #writeCredentials(): void {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const mode = 0o600;
    writeFileSync(this.#file("service-accounts.key"), privateKey, { mode });
    writeFileSync(this.#file("service-accounts.pub"), publicKey, { mode });
    const lines = Object.values(USERS).map((user, index) => {
      return `${user.token},${user.name},${index},"${user.groups}"\n`;
    });
    writeFileSync(this.#file("tokens.csv"), lines.join(""), { mode });
  }

  #run(program: Program, parameters: readonly string[]): void {
    const command = [...this.#options.prefix, this.#programs[program], ...parameters];
    const log = this.#file(`${program}.log`);
    this.#running.set(program, new RunningProgram(program, command, log));
  }

  /**
   * Starts kube-apiserver, on the same port as before if it ran before, and waits until ready. Does
   * nothing when it runs.
   */
  async startApiServer(): Promise<void> {
    if (this.#running.get("kube-apiserver")?.isRunning) return;
    const { address, serviceClusterIPRange, apiServerFlags } = this.#options;
    this.#run("kube-apiserver", [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      `--bind-address=${address}`,
      `--advertise-address=${address === "127.0.0.1" ? "192.0.2.1" : address}`,
      `--secure-port=${this.#port}`,
      `--cert-dir=${this.#file("certificates")}`, // makes its own on the first start
      `--token-auth-file=${this.#file("tokens.csv")}`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${this.#file("service-accounts.pub")}`,
      `--service-account-signing-key-file=${this.#file("service-accounts.key")}`,
      "--disable-admission-plugins=ServiceAccount", // no controller makes the accounts
      `--service-cluster-ip-range=${serviceClusterIPRange}`,
      ...apiServerFlags,
    ]);
    await this.#untilReady();
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      const answer = await this.#readiness();
      if (answer === "ok") return;
      this.#running.get("etcd")?.assertRunning();
      this.#running.get("kube-apiserver")?.assertRunning();
      if (Date.now() > deadline) {
        throw new Error(`kube-apiserver is not ready after ${READY_DEADLINE_MS} ms: ${answer}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What /readyz answers, or why it does not. */
  async #readiness(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const headers = { authorization: `Bearer ${USERS.admin.token}` };
    const options = { headers, rejectUnauthorized: false, agent: false, timeout: 2_000 };
    const asked = request(`${this.#reached.server}/readyz`, options, async (response) => {
      resolve((await response.toArray()).join("").trim());
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer within 2 s")));
    asked.on("error", (error) => resolve(error.message));
    asked.end();
    return promise;
  }

  /** Ends kube-apiserver as a crash would, or with SIGTERM as an upgrade does. */
  async stopApiServer(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#running.get("kube-apiserver")?.end(signal);
  }

  /** kube-apiserver stands still: connections stay open and nothing is answered. */
  pauseApiServer(): void {
    this.#running.get("kube-apiserver")?.signal("SIGSTOP");
  }

  resumeApiServer(): void {
    this.#running.get("kube-apiserver")?.signal("SIGCONT");
  }

  /** Copies what etcd has into a folder, for etcdData. The API server is away meanwhile. */
  async saveData(directory: string): Promise<void> {
    await this.stopApiServer("SIGTERM");
    await this.#running.get("etcd")?.end("SIGTERM");
    cpSync(this.#file("etcd"), directory, { recursive: true });
    this.#startEtcd();
    await this.startApiServer();
  }

  /** Has etcd forget every revision before the present one; returns that one. */
  async compact(): Promise<number> {
    const present = await this.#askEtcd("/v3/kv/range", { key: "AA==", limit: 1 });
    const { revision } = (present as { header: { revision: string } }).header;
    await this.#askEtcd("/v3/kv/compaction", { revision, physical: true });
    return Number(revision);
  }

  async #askEtcd(path: string, body: object): Promise<unknown> {
    const url = `${this.#reached.etcd}${path}`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Where kube-apiserver is, seen from this process. */
  get server(): string {
    return this.#reached.server;
  }

  /** Signs kube-apiserver's certificate, as PEM. */
  get certificateAuthority(): string {
    return readFileSync(this.#file("certificates/apiserver.crt"), "utf8");
  }

  /** What kube-apiserver shows its clients, for a proxy in front of it; PEM. */
  get servingCertificate(): { key: string; cert: string } {
    const key = readFileSync(this.#file("certificates/apiserver.key"), "utf8");
    return { key, cert: this.certificateAuthority };
  }

  /**
   * A kubeconfig file for `user`. `server` says how its reader reaches kube-apiserver: absent, as
   * this process does; inside the control plane's namespace and its neighbours, `innerServer`.
   */
  kubeconfigFile(user: User = "admin", server = this.server): string {
    const directory = mkdtempSync(this.#file("kubeconfig-"));
    const file = join(directory, `${user}.json`);
    writeFileSync(file, this.#kubeconfigText(user, server), { mode: 0o600 });
    return file;
  }

  get innerServer(): string {
    return `https://${this.#options.address}:${this.#port}`;
  }

  kubeConfig(user: User = "admin", server = this.server): KubeConfig {
    const config = new KubeConfig();
    config.loadFromString(this.#kubeconfigText(user, server));
    return config;
  }

  /** The same for Portico's own code. */
  access(user: User = "admin", server = this.server): ApiAccess {
    return accessFromText(this.#kubeconfigText(user, server));
  }

  #kubeconfigText(user: User, server: string): string {
    const authority = Buffer.from(this.certificateAuthority).toString("base64");
    const cluster = {
      server,
      "certificate-authority-data": authority,
      "tls-server-name": "kubernetes.default.svc",
    };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster }],
      users: [{ name: user, user: { token: USERS[user].token } }],
      contexts: [{ name: "test", context: { cluster: "test", user } }],
      "current-context": "test",
    });
  }

  /** What a program has logged so far. */
  log(program: Program): string {
    return readFileSync(this.#file(`${program}.log`), "utf8");
  }

  /** Ends everything and removes its files. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((program) => program.end()));
    for (const bridge of this.#bridges) bridge.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Below those that the kernel gives to connections: one of these would take it meanwhile. */
const PORTS = { first: 20_000, count: 12_000 };

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
