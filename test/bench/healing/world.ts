// A cluster for each peer, all with the same names and addresses: three nodes of namespaces, whose
// first one the peer serves, and what is wrong with some of their Pods.
//
//    node-1   client, web-1, silent-1, old-…, new-…    the peer
//    node-2   web-2, refusing, silent-2
//    node-3   web-3
//
// What is sent to a node that vanishes is lost without an answer, as where a router is in between:
// its neighbours never give up its MAC address.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { type Cluster, type ClusterNode, makeCluster } from "../../namespaces/cluster.ts";
import { ipBatch } from "../../namespaces/command.ts";
import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";
import { linkToControl } from "../latency/world.ts";
import { TARGET_PORT } from "./objects.ts";
import { CLIENT_ADDRESSES, NODE_NAMES, PODS, type PodName, VANISHING } from "./plan.ts";

/** The compiled programs: load/server.c and open-loop.c. */
export interface HealingPrograms {
  server: string;
  openLoop: string;
}

export class HealingWorld {
  readonly node: ClusterNode;
  readonly client: Namespace;
  readonly #cluster: Cluster;
  readonly #programs: HealingPrograms;
  readonly #servers = new Map<PodName, ChildProcess>();

  private constructor(cluster: Cluster, programs: HealingPrograms) {
    this.#cluster = cluster;
    this.#programs = programs;
    this.node = cluster.node(NODE_NAMES[0]);
    this.client = this.node.pod("client");
  }

  /** `number` tells the worlds' links to the control plane apart. */
  static async make(
    control: Namespace,
    number: number,
    programs: HealingPrograms,
  ): Promise<HealingWorld> {
    const cluster = await makeCluster({ nodes: NODE_NAMES.map((name) => ({ name })) });
    try {
      await cluster.node(NODE_NAMES[0]).addPod("client", CLIENT_ADDRESSES);
      for (const [name, { node, address }] of Object.entries(PODS)) {
        await cluster.node(node).addPod(name, address);
      }
      const world = new HealingWorld(cluster, programs);
      await linkToControl(control, world.node, number);
      await world.#keepNeighbour();
      for (const [name, { kind }] of Object.entries(PODS)) {
        if (kind === "serving") await world.serve(name as PodName);
        if (kind === "silent") await world.#silence(name as PodName);
      }
      return world;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Starts a Pod's server; resolves when it listens. */
  async serve(name: PodName): Promise<void> {
    const child = this.#pod(name).spawn(this.#programs.server, [String(TARGET_PORT)]);
    this.#servers.set(name, child);
    await firstLine(child, `the server in ${name}`);
  }

  /** Ends a Pod's server, if it has one, as a crash does: its address refuses from then on. */
  async end(name: PodName): Promise<void> {
    const child = this.#servers.get(name);
    if (child === undefined) return;
    this.#servers.delete(name);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  get programs(): HealingPrograms {
    return this.#programs;
  }

  loseNode(): Promise<void> {
    return this.#cluster.unplug(this.#cluster.node(VANISHING));
  }

  regainNode(): Promise<void> {
    return this.#cluster.plugIn(this.#cluster.node(VANISHING));
  }

  /** Removes the namespaces with all processes in them. */
  async close(): Promise<void> {
    await this.#cluster.close();
  }

  #pod(name: PodName): Namespace {
    return this.#cluster.node(PODS[name].node).pod(name);
  }

  async #silence(name: PodName): Promise<void> {
    const chain = "chain inet silent in { type filter hook input priority 0; }";
    const rule = `rule inet silent in tcp dport ${TARGET_PORT} drop`;
    await this.#pod(name).exec("nft", [`add table inet silent; add ${chain}; add ${rule}`]);
  }

  async #keepNeighbour(): Promise<void> {
    const lost = this.#cluster.node(VANISHING);
    const { stdout } = await lost.exec("ip", ["-j", "link", "show", "eth0"]);
    const [{ address: mac }] = JSON.parse(stdout) as [{ address: string }];
    const line = `neigh replace ${lost.address} lladdr ${mac} dev eth0 nud permanent`;
    await ipBatch([line], this.node.name);
  }
}
