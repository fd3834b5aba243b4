// A Pod of the host's network, read from a manifest, on a node of namespaces: what the kubelet and
// a container runtime would do with it, as processes (container.ts) and folders (pod-volumes.ts).
// A container that ends is not started again by itself, and probes are asked when a test asks.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { V1Container, V1PodSpec, V1Probe } from "@kubernetes/client-node";
import type { ClusterNode } from "../namespaces/cluster.ts";
import type { CommandResult } from "../namespaces/command.ts";
import { containerCommand, type Image } from "./container.ts";
import { type ConfigMapReader, PodVolumes, type ServiceAccountFiles } from "./pod-volumes.ts";

interface PodOptions {
  node: ClusterNode;
  spec: V1PodSpec;
  /** The image that a container names. */
  image: (name: string) => Image;
  configMaps: ConfigMapReader;
  serviceAccount: ServiceAccountFiles | undefined;
  /** "address:port" of the Service kubernetes, which the kubelet tells every container. */
  kubernetesService: { address: string; port: string };
  /** Stands for the node's / where a hostPath is not the kernel's. */
  nodeDirectory: string;
  /** A folder of this machine that the caller removes. */
  directory: string;
}

export class RunningPod {
  readonly volumes: PodVolumes;
  readonly #options: PodOptions;
  readonly #directory: string;
  readonly #running = new Map<string, ChildProcess>();
  readonly #logs = new Map<string, string>();

  constructor(options: PodOptions) {
    const { nodeDirectory, spec, configMaps } = options;
    this.#options = options;
    this.#directory = mkdtempSync(join(options.directory, "pod-"));
    mkdirSync(join(this.#directory, "volumes"));
    const volumes = join(this.#directory, "volumes");
    this.volumes = new PodVolumes(volumes, nodeDirectory, spec, configMaps);
  }

  /** Runs the init containers, each to its end, and starts the others; throws when one fails. */
  async start(): Promise<void> {
    const { spec, serviceAccount } = this.#options;
    await this.volumes.make(serviceAccount);
    for (const container of spec.initContainers ?? []) {
      const { code, stderr } = await this.#run(container);
      if (code === 0) continue;
      throw new Error(`init container ${container.name} ended with ${code}: ${stderr}`);
    }
    for (const { name } of spec.containers) await this.startContainer(name);
  }

  async startContainer(name: string): Promise<void> {
    const [program = "", ...args] = await this.#command(this.#container(name));
    const child = this.#options.node.spawn(program, args);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#logs.set(name, this.log(name) + text);
      });
    }
    this.#running.set(name, child);
  }

  /** What a container wrote, since the Pod began. */
  log(name: string): string {
    return this.#logs.get(name) ?? "";
  }

  /** The last lines of each container. */
  get ends(): string {
    const names = this.#options.spec.containers.map(({ name }) => name);
    const end = (name: string) => this.log(name).trimEnd().split("\n").slice(-8).join("\n");
    return names.map((name) => `${name}:\n${end(name)}`).join("\n");
  }

  /** Of the container's first process. */
  pid(name: string): number {
    const pid = this.#running.get(name)?.pid;
    if (pid === undefined) throw new Error(`container ${name} does not run`);
    return pid;
  }

  /** Resolves with the exit code of a container that ends; null when a signal ended it. */
  async ended(name: string): Promise<number | null> {
    const child = this.#running.get(name);
    if (child === undefined) throw new Error(`container ${name} was not started`);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child.exitCode;
  }

  async end(name: string, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#running.get(name)?.kill(signal);
    await this.ended(name);
  }

  /** As `kubectl exec`: another command where the container is. */
  async exec(name: string, command: readonly string[]): Promise<CommandResult> {
    return this.#run({ ...this.#container(name), command: [...command], args: [] });
  }

  /** The HTTP status of a container's probe, asked from the node as the kubelet does. 0: none. */
  async probe(name: string, kind: "livenessProbe" | "readinessProbe"): Promise<number> {
    const container = this.#container(name);
    const { httpGet }: V1Probe = container[kind] ?? {};
    const port = container.ports?.find((each) => each.name === httpGet?.port)?.containerPort;
    if (httpGet === undefined || port === undefined) {
      throw new Error(`container ${name}: its ${kind} asks no port that it names`);
    }
    const { node } = this.#options;
    const url = `http://${node.address}:${port}${httpGet.path}`;
    const ask = `fetch(${JSON.stringify(url)}).then(({ status }) => status, () => 0)`;
    const { stdout } = await node.exec(process.execPath, ["-e", `${ask}.then(console.log)`]);
    return Number(stdout);
  }

  /** Ends all containers, as the Pod's deletion does. */
  async close(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.end(name, signal)));
  }

  async #run(container: V1Container): Promise<CommandResult> {
    const [program = "", ...args] = await this.#command(container);
    return this.#options.node.exec(program, args, { allowFailure: true, timeoutMs: 30_000 });
  }

  async #command(container: V1Container): Promise<string[]> {
    const { spec, image, serviceAccount } = this.#options;
    return containerCommand(container, {
      pod: spec,
      image: image(container.image ?? ""),
      root: mkdtempSync(join(this.#directory, "root-")),
      sourceOf: (volume) => this.volumes.sourceOf(volume),
      serviceAccount: serviceAccount && this.volumes.serviceAccount,
      environment: await this.#environment(container),
    });
  }

  /** What a manifest says wins over what the kubelet adds. */
  async #environment(container: V1Container): Promise<Record<string, string>> {
    const { address, port } = this.#options.kubernetesService;
    const environment: Record<string, string> = {
      KUBERNETES_SERVICE_HOST: address,
      KUBERNETES_SERVICE_PORT: port,
      KUBERNETES_PORT_443_TCP_ADDR: address,
    };
    for (const { configMapRef } of container.envFrom ?? []) {
      const name = configMapRef?.name ?? "";
      const files = await this.#options.configMaps(name);
      if (files === undefined) throw new Error(`container ${container.name}: no ConfigMap ${name}`);
      for (const [key, value] of Object.entries(files)) environment[key] = value.toString();
    }
    for (const { name, value, valueFrom } of container.env ?? []) {
      const isNodeName = valueFrom?.fieldRef?.fieldPath === "spec.nodeName";
      if (value === undefined && !isNodeName) throw new Error(`variable ${name}: from where?`);
      environment[name] = value ?? this.#options.node.label;
    }
    return environment;
  }

  #container(name: string): V1Container {
    const found = this.#options.spec.containers.find((each) => each.name === name);
    if (found === undefined) throw new Error(`the Pod has no container ${name}`);
    return found;
  }
}
