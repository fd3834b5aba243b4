// A KubernetesSource that feeds a ClusterState from a real API server, and what it said on the way.

import type { ApiAccess } from "../../controller/kubeconfig/access.ts";
import { ClusterState } from "../../controller/model/cluster-state.ts";
import { systemClock } from "../../controller/system/clock.ts";
import { KubernetesSource } from "../../controller/watch/kubernetes.ts";
import { KubernetesApi } from "../../controller/watch/kubernetes-api.ts";
import type { WatchStatus } from "../../controller/watch/list-watch.ts";

export const NODE_NAME = "node-1";

export class Follower {
  readonly state = new ClusterState();
  /** Every status that was told, in order. */
  readonly told: WatchStatus[] = [];
  readonly #source: KubernetesSource;

  constructor(access: ApiAccess, serviceProxyName?: string) {
    this.#source = new KubernetesSource({
      api: new KubernetesApi(() => access, "portico/test"),
      sink: this.state,
      reportProblems: () => {},
      onStatus: (status) => this.told.push(status),
      clock: systemClock,
      random: Math.random,
      serviceProxyName,
      nodeName: NODE_NAME,
    });
    this.#source.start();
  }

  get status(): WatchStatus[] {
    return this.#source.status();
  }

  /** Names of the Services of a namespace, sorted. */
  serviceNames(namespace: string): string[] {
    const services = [...this.state.services.values()];
    const own = services.filter((service) => service.namespace === namespace);
    return own.map((service) => service.name).sort();
  }

  /** Addresses of the ready endpoints of a Service, sorted. */
  readyAddresses(service: string): string[] {
    const endpoints = this.state.slicesOf(service).flatMap((slice) => slice.endpoints);
    const ready = endpoints.filter((endpoint) => endpoint.ready);
    return ready.map((endpoint) => endpoint.address).sort();
  }

  /** Codes of all failures that were told, each once. */
  get failureCodes(): string[] {
    return [...new Set(this.told.flatMap((status) => status.failure?.code ?? []))];
  }

  async stop(): Promise<void> {
    await this.#source.stop();
  }
}
