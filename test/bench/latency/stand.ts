// The control plane, a world for each proxy, and the objects. Whatever is measured is measured of
// one proxy while the other one stands still.

import { buildControlPlane } from "../../cluster/build.ts";
import { progress } from "../progress.ts";
import { shortFolder } from "../scratch.ts";
import { Api } from "./api.ts";
import { nowMs } from "./client.ts";
import { type Control, makeControl } from "./control.ts";
import { KeptData } from "./kept-data.ts";
import { KubeProxy } from "./kube-proxy.ts";
import { Moved } from "./moved.ts";
import { clusterObjects, namespaceObjects, nodeObjects } from "./objects.ts";
import { COMMAND, Portico } from "./portico.ts";
import type { ProxyName, ServiceProxy } from "./service-proxy.ts";
import { NODE_ADDRESS, World } from "./world.ts";

interface StandOptions {
  services: number;
  endpoints: number;
  proxies: readonly ProxyName[];
  /** Another build of Portico's command; for the proxy of that name. */
  before?: string | undefined;
  /** Portico's controller can be profiled. */
  inspected: boolean;
}

/** Fewer Services are written in no time. */
const KEPT_FROM = 1_000;

export class Stand {
  readonly api: Api;
  readonly moved: Moved;
  readonly proxies: readonly ServiceProxy[];
  readonly #control: Control;
  readonly #options: StandOptions;

  private constructor(options: StandOptions, control: Control, proxies: readonly ServiceProxy[]) {
    this.#options = options;
    this.#control = control;
    this.proxies = proxies;
    this.api = new Api(control.plane);
    this.moved = new Moved(this.api);
  }

  /** With all objects; no proxy runs yet. */
  static async make(options: StandOptions): Promise<Stand> {
    const programs = await buildControlPlane(progress);
    const kept = new KeptData(options.services, options.endpoints);
    const control = await makeControl(kept.exists ? kept.directory : "");
    const stops = [control.close];
    try {
      const kubeconfig = control.plane.kubeconfigFile("proxy", control.plane.innerServer);
      const proxies: ServiceProxy[] = [];
      for (const [index, name] of options.proxies.entries()) {
        const world = await World.make(control.namespace, index + 1);
        stops.push(() => world.close());
        proxies.push(
          name === "kube-proxy"
            ? new KubeProxy(world, programs["kube-proxy"], kubeconfig)
            : new Portico(world, {
                name,
                command: (name === "before" ? options.before : undefined) ?? COMMAND,
                directory: shortFolder(),
                kubeconfig,
                inspected: options.inspected && name === "portico",
              }),
        );
      }
      const stand = new Stand(options, control, proxies);
      if (!kept.exists) await stand.#write(kept);
      return stand;
    } catch (error) {
      for (const stop of stops.reverse()) await stop();
      throw error;
    }
  }

  async #write(kept: KeptData): Promise<void> {
    const { services, endpoints } = this.#options;
    const begun = performance.now();
    await this.api.createAll(namespaceObjects(services));
    const nodes = [...nodeObjects(NODE_ADDRESS)];
    await this.api.createAll(nodes);
    const status = (node: (typeof nodes)[number]) => ({ status: node.status });
    await Promise.all(nodes.map((node) => this.api.patch(node, status(node), "/status")));
    await this.moved.create();
    if (services >= KEPT_FROM) {
      progress(`writing ${services} Services × ${endpoints}, kept for the next time when all are`);
      for (const proxy of this.proxies) await this.#try(proxy);
    }
    await this.api.createAll(clusterObjects(services, endpoints));
    const seconds = (performance.now() - begun) / 1_000;
    progress(`wrote ${services} Services × ${endpoints} in ${seconds.toFixed(0)} s`);
    if (services >= KEPT_FROM)
      await kept.keep((directory) => this.#control.plane.saveData(directory));
  }

  /** One that does not serve a single Service is noticed before minutes are spent on the others. */
  async #try(proxy: ServiceProxy): Promise<void> {
    await proxy.start();
    await this.moved.untilServed(proxy, nowMs());
    await proxy.stop();
    await proxy.clean();
  }

  /** The machine is this proxy's: the others stand still, and it has caught up. */
  async give(proxy: ServiceProxy): Promise<void> {
    for (const other of this.proxies) if (other !== proxy) other.pause();
    proxy.resume();
    await this.moved.untilObeyed(proxy);
    await proxy.atRest();
  }

  /** Removes everything, with all processes. */
  async close(): Promise<void> {
    this.api.close();
    for (const proxy of this.proxies) {
      await proxy.stop();
      await proxy.world.close();
    }
    await this.#control.close();
  }
}
