// Cluster state → node view and capture set, kept up to date at the cost of what changed.

import type { Changes, ClusterState } from "../model/cluster-state.ts";
import { sameData } from "../model/same-data.ts";
import type { Node, ObjectKey, Problem } from "../model/types.ts";
import { captureSetFrom, EMPTY_CAPTURE_SET } from "./capture-set.ts";
import { serviceViewFrom } from "./frontends.ts";
import { NodeView, type NodeViewChange } from "./node-view.ts";
import { type ThisNode, thisNodeFromNode } from "./this-node.ts";
import type { CaptureSet, ServiceView } from "./types.ts";

export interface NodeOptions {
  nodeName: string;
  /** Serve the Services whose label service.kubernetes.io/service-proxy-name says this. */
  serviceProxyName: string | undefined;
  /** Service CIDRs besides those of the ServiceCIDR objects; canonical. */
  serviceCIDRs: readonly string[];
  /**
   * Where node ports answer: canonical CIDRs of the node's interfaces' addresses, or "primary",
   * "localhost", "all", as in a KubeProxyConfiguration. Absent or empty: "primary".
   */
  nodePortAddresses?: readonly string[];
  /** In place of the Node object's first address of its family; as kube-proxy's bindAddress. */
  nodeIP?: string | undefined;
}

export interface NodeUpdate extends NodeViewChange {
  /** The very object of the last update when nothing in it changed. */
  capture: CaptureSet;
  /** All present problems, not only new ones. */
  problems: Problem[];
}

export class NodeFollower {
  readonly view = new NodeView();
  readonly #state: ClusterState;
  readonly #options: NodeOptions;
  #interfaceAddresses: readonly string[] = [];
  #node: ThisNode;
  #capture = EMPTY_CAPTURE_SET;

  constructor(state: ClusterState, options: NodeOptions) {
    this.#state = state;
    this.#options = options;
    this.#node = this.#thisNode(undefined);
  }

  /** As of the last update. */
  get node(): ThisNode {
    return this.#node;
  }

  /** Where its node ports answer; none while its object is unknown. */
  get nodePortAddresses(): readonly string[] {
    return this.#node.nodePortAddresses;
  }

  /**
   * Takes the state's changes. Call it only when all kinds are synced. `interfaceAddresses` are
   * those that the node has now, canonical; "primary" works without.
   */
  update(interfaceAddresses: readonly string[] = []): NodeUpdate {
    this.#interfaceAddresses = interfaceAddresses;
    const change = this.view.apply(this.#changedViews(this.#state.takeChanges()));
    this.#capture = captureSetFrom(this.view, change, this.#serviceCIDRs(), this.#capture);
    return { ...change, capture: this.#capture, problems: this.view.problems() };
  }

  *#changedViews(changes: Changes): Generator<[ObjectKey, ServiceView | undefined]> {
    const node = this.#thisNode(this.#state.nodes.get(this.#options.nodeName));
    const isSameNode = sameData(node, this.#node);
    this.#node = node;
    const all = () => new Set([...this.#state.services.keys(), ...this.view.services]);
    for (const key of isSameNode ? changes.services : all()) yield [key, this.#viewOf(key)];
  }

  #thisNode(node: Node | undefined): ThisNode {
    const { nodeName, nodePortAddresses = [], nodeIP } = this.#options;
    const interfaceAddresses = this.#interfaceAddresses;
    return thisNodeFromNode(nodeName, node, { nodePortAddresses, interfaceAddresses, nodeIP });
  }

  #viewOf(key: ObjectKey): ServiceView | undefined {
    const service = this.#state.services.get(key);
    if (!service) return undefined;
    const { serviceProxyName } = this.#options;
    return serviceViewFrom(service, this.#state.slicesOf(key), this.#node, serviceProxyName);
  }

  #serviceCIDRs(): string[] {
    const objects = [...this.#state.serviceCIDRs.values()];
    return [...this.#options.serviceCIDRs, ...objects.flatMap(({ cidrs }) => cidrs)];
  }
}
