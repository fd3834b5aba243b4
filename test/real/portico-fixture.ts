// Portico on a node of namespaces, as a process: started, killed, asked and cleaned up as people do
// it. The cluster it serves is a folder of manifests that tests write.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { ControllerStatus } from "../../controller/control/control-api.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { eventually } from "../eventually.ts";
import type { CommandResult } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";

const CHECKOUT = join(import.meta.dirname, "../..");

/** A Kubernetes object as a literal. */
export type KubernetesObject = Record<string, unknown>;

export class PorticoProcess {
  readonly runDirectory: string;
  readonly manifests: string;
  /** Who starts Envoy. */
  envoyFlag: "--with-envoy" | "--two-envoys" = "--with-envoy";
  /** The most files that the controller and its Envoy may open each; undefined: as this process. */
  descriptorLimit: number | undefined;
  /** Everything the controllers of this fixture logged. */
  log = "";
  readonly #node: Namespace;
  readonly #directory: string;
  readonly #source: readonly string[];
  readonly #command: string;
  #child: ChildProcess | undefined;

  /**
   * With a kubeconfig it follows that cluster and not its folder of manifests. The folder is in
   * /run because a socket's path has 107 bytes at most.
   */
  constructor(node: Namespace, kubeconfig?: string, checkout = CHECKOUT) {
    this.#node = node;
    this.#command = join(checkout, "build/portico");
    this.#directory = mkdtempSync("/run/portico-test-");
    this.runDirectory = join(this.#directory, "run");
    this.manifests = join(this.#directory, "manifests");
    mkdirSync(this.manifests);
    this.#source = kubeconfig ? ["--kubeconfig", kubeconfig] : ["--manifests", this.manifests];
  }

  /** Replaces the whole content of the manifests folder's one file, in one step. */
  write(objects: readonly KubernetesObject[]): void {
    const text = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const file = join(this.manifests, "objects.json");
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  /** Starts the controller, and Envoy unless it lives; does not wait for them. */
  async start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<void> {
    const node = ["--node-name", this.#node.label, "--run-dir", this.runDirectory];
    const all = ["run", ...this.#source, ...node, this.envoyFlag, ...args];
    const ENVOY = await findEnvoy(process.env, console.log);
    const variables = Object.entries({ ENVOY, ...env }).map((pair) => pair.join("="));
    const limited = this.descriptorLimit === undefined ? [] : limitedTo(this.descriptorLimit);
    const command = [...variables, ...limited, process.execPath, this.#command, ...all];
    const child = this.#node.spawn("env", command);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.log += text;
    });
    this.#child = child;
  }

  /** Ends the controller alone; resolves with its exit code, null when a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = once(child, "exit");
    child.kill(signal);
    const [code] = await ended;
    return code as number | null;
  }

  /** Resolves with the exit code of a controller that ends by itself. */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child.exitCode;
  }

  /** Of the controller; undefined while none runs. */
  get pid(): number | undefined {
    const child = this.#child;
    const hasEnded = child?.exitCode !== null || child.signalCode !== null;
    return hasEnded ? undefined : child.pid;
  }

  command(...args: string[]): Promise<CommandResult> {
    const all = [this.#command, ...args, "--run-dir", this.runDirectory];
    const options = { allowFailure: true, timeoutMs: 30_000 };
    return this.#node.exec(process.execPath, all, options);
  }

  async status(): Promise<ControllerStatus> {
    const { callController } = await import("../../controller/cli/control-client.ts");
    return callController(join(this.runDirectory, "control.sock"), "GET", "/v1/status");
  }

  /** Resolves once the controller reports no problem; rejects with those that remain. */
  async sound(deadlineMs = 10_000): Promise<void> {
    let messages: string[] = [];
    const isSound = async () => {
      messages = (await this.status()).problems.map(
        ({ object, message }) => `${object}: ${message}`,
      );
      return messages.length === 0;
    };
    await eventually("no problem", deadlineMs, isSound, () => messages);
  }

  /** Resolves once the last sync after now went well and Envoy listens. */
  async synced(deadlineMs = 10_000): Promise<void> {
    await eventually("Portico in sync", deadlineMs, async () => {
      const status = await this.status().catch(() => undefined);
      return status?.envoyConnected === true && status.lastSync?.error === "";
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log.split("\n").slice(-15).join("\n")}`);
    });
  }

  /** Ends everything and removes the folder. */
  async close(): Promise<void> {
    await this.end("SIGKILL");
    await this.command("cleanup");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Without CAP_SYS_RESOURCE too: with it, Envoy's start would raise the limit again. */
function limitedTo(descriptors: number): string[] {
  const limit = `--nofile=${descriptors}:${descriptors}`;
  return ["setpriv", "--bounding-set=-sys_resource", "--", "prlimit", limit, "--"];
}

/** A Node object for a node of namespaces. */
export function nodeObject(name: string, address: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: { addresses: [{ type: "InternalIP", address }] },
  };
}

export interface ServiceSketch {
  name: string;
  clusterIP: string;
  /** Addresses of ready endpoints. */
  endpoints: readonly string[];
  /** 80 by default; the endpoints listen on 8080. */
  port?: number;
  /** TCP by default. */
  protocol?: "TCP" | "UDP";
  nodePort?: number;
  /** Cluster when absent. */
  externalTrafficPolicy?: "Local";
  nodeName?: string;
  /** No session affinity when absent. */
  affinityTimeoutSeconds?: number;
  /** Without "portico.dev/"; none when absent. */
  settings?: Record<string, string>;
}

/** A Service with one port, and its one EndpointSlice. */
export function serviceObjects(sketch: ServiceSketch): KubernetesObject[] {
  const { name, clusterIP, endpoints, port = 80, nodePort, nodeName = "node-1" } = sketch;
  const { protocol = "TCP", externalTrafficPolicy } = sketch;
  const policy = externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy };
  const timeoutSeconds = sketch.affinityTimeoutSeconds;
  const affinity =
    timeoutSeconds === undefined
      ? {}
      : { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
  const settings = Object.entries(sketch.settings ?? {});
  const annotations = Object.fromEntries(
    settings.map(([setting, value]) => [`portico.dev/${setting}`, value]),
  );
  const ports = [
    { port, protocol, targetPort: 8080, ...(nodePort === undefined ? {} : { nodePort }) },
  ];
  const type = nodePort === undefined ? "ClusterIP" : "NodePort";
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "test", annotations },
      spec: { type, clusterIP, clusterIPs: [clusterIP], ports, ...policy, ...affinity },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `${name}-1`,
        namespace: "test",
        labels: { "kubernetes.io/service-name": name },
      },
      addressType: isIPv6(clusterIP) ? "IPv6" : "IPv4",
      ports: [{ port: 8080, protocol }],
      endpoints: endpoints.map((address) => ({ addresses: [address], nodeName })),
    },
  ];
}
