// The manifests → the store, running: one node, and for each Pod that they name a network namespace
// with a process in it. Then what a cluster does around Portico: Deployment, scheduler and kubelet,
// which start and end Pods and write it down.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Cluster, type ClusterNode, makeCluster, type Pod } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { Manifests, type PodManifest, type ServiceManifest } from "./manifests.ts";
import type { Workspace } from "./workspace.ts";

const SHIPPED_MANIFESTS = new URL("../../deploy/demo", import.meta.url).pathname;
const SHOP = new URL("shop.ts", import.meta.url).pathname;

export class Store {
  readonly manifests: Manifests;
  readonly node: ClusterNode;
  /** A client that is in no cluster. */
  readonly outside: Namespace;
  private readonly cluster: Cluster;
  /** Whether it outlives this process. */
  readonly kept: boolean;
  /** As the manifests have them at the start. */
  services: readonly ServiceManifest[] = [];
  /** The number of the last Pod of each app. */
  private readonly lastNumbers = new Map<string, number>();
  private readonly processes = new Map<string, ChildProcess>();

  private constructor(cluster: Cluster, node: ClusterNode, manifests: Manifests, kept: boolean) {
    this.cluster = cluster;
    this.node = node;
    this.manifests = manifests;
    this.outside = cluster.outside;
    this.kept = kept;
  }

  /** Makes the node and starts every Pod of the manifests. `kept`: it outlives this process. */
  static async start(workspace: Workspace, kept: boolean): Promise<Store> {
    const manifests = await Manifests.copy(SHIPPED_MANIFESTS, workspace.manifestsDirectory);
    const name = await manifests.nodeName();
    const cluster = await makeCluster({ prefix: workspace.prefix, nodes: [{ name }] });
    // From here on the demo removes it itself: after `portico cleanup`, and on Ctrl-C too.
    cluster.keep();
    const store = new Store(cluster, cluster.node(name), manifests, kept);
    store.services = await manifests.services();
    await store.startPods(await manifests.pods());
    return store;
  }

  /** The Service of this name; throws when there is none. */
  service(name: string): ServiceManifest {
    const service = this.services.find((candidate) => candidate.name === name);
    if (service === undefined) throw new Error(`the manifests have no Service ${name}`);
    return service;
  }

  pod(name: string): Pod {
    return this.node.pod(name);
  }

  async podsOf(app: string): Promise<PodManifest[]> {
    return (await this.manifests.pods()).filter((pod) => pod.app === app);
  }

  /** A Pod dies: its process is killed, its network is gone, and nobody has been told yet. */
  async kill(name: string): Promise<void> {
    await this.crash(name);
    await this.node.removePod(name);
  }

  /** The process of a Pod is killed: connections to the Pod are refused. */
  async crash(name: string): Promise<void> {
    const child = this.processes.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  /** A Pod's node vanishes: nothing comes back from the Pod any more, not even a refusal. */
  async vanish(name: string): Promise<void> {
    const chain = "{ type filter hook input priority 0; policy drop; }";
    const drop = `add table inet gone; add chain inet gone in ${chain}`;
    await this.pod(name).exec("nft", [drop]);
  }

  /** Starts that many more Pods of the app; the manifests do not say so yet. */
  async startMore(app: string, count: number): Promise<PodManifest[]> {
    const template = (await this.podsOf(app))[0];
    if (template === undefined) throw new Error(`${app} has no Pod to make others like`);
    const pods = Array.from({ length: count }, () => this.nextPod(template));
    await this.startPods(pods);
    return pods;
  }

  /** Pods that have been removed from the manifests end. */
  async end(pods: readonly PodManifest[]): Promise<void> {
    for (const { name } of pods) await this.kill(name);
  }

  /** Removes the node and the Pods, with all their processes. */
  async close(): Promise<void> {
    await this.cluster.close();
  }

  private nextPod({ app, address, port }: PodManifest): PodManifest {
    const number = (this.lastNumbers.get(app) ?? 0) + 1;
    const tens = address.replace(/\d$/, "");
    this.noteNumber(app, number);
    return { name: `${app}-${number}`, app, address: `${tens}${number}`, port };
  }

  private async startPods(pods: readonly PodManifest[]): Promise<void> {
    for (const { name, address } of pods) await this.node.addPod(name, address);
    await Promise.all(pods.map((pod) => this.startProcess(pod)));
    for (const { app, name } of pods) this.noteNumber(app, Number(name.split("-").at(-1)));
  }

  private noteNumber(app: string, number: number): void {
    this.lastNumbers.set(app, Math.max(this.lastNumbers.get(app) ?? 0, number));
  }

  private async startProcess({ app, name, port }: PodManifest): Promise<void> {
    const child = this.pod(name).spawn(process.execPath, [SHOP, app, name, String(port)], {
      env: this.serviceVariables(),
      outlive: this.kept,
    });
    this.processes.set(name, child);
    if (child.stdout === null) throw new Error(`${name} has no standard output`);
    const listens = once(createInterface({ input: child.stdout }), "line");
    const ends = once(child, "close").then(([code]) => {
      throw new Error(`Pod ${name} ended with ${code} before it listened`);
    });
    await Promise.race([listens, ends]);
    ends.catch(() => {});
  }

  /** As the kubelet gives to containers: ORDERS_API_SERVICE_HOST and ORDERS_API_SERVICE_PORT. */
  private serviceVariables(): Record<string, string> {
    const variables = this.services.flatMap(({ name, clusterIP, port }) => {
      const prefix = name.toUpperCase().replaceAll("-", "_");
      return [
        [`${prefix}_SERVICE_HOST`, clusterIP],
        [`${prefix}_SERVICE_PORT`, String(port)],
      ];
    });
    return Object.fromEntries(variables);
  }
}
