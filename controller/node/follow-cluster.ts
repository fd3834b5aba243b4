// Cluster state → node view and capture set, updated at a cost in proportion to what changed: the
// Services that did, and those that depend on what changed of this node.

import type { Changes, ClusterState } from "../model/cluster-state.ts";
import { sameData } from "../model/same-data.ts";
import type { Node, ObjectKey } from "../model/types.ts";
import { FollowedCaptureSet } from "./capture-set.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import { serviceViewFrom } from "./frontends.ts";
import { NodeDependents } from "./node-dependents.ts";
import { NodeView, type NodeViewUpdate } from "./node-view.ts";
import { type ThisNode, thisNodeFromNode } from "./this-node.ts";
import type { CaptureChange, CaptureSet, FrontendSettings, ServiceView } from "./types.ts";

export interface NodeOptions {
  nodeName: string;
  /** Serve the Services whose label service.kubernetes.io/service-proxy-name says this. */
  serviceProxyName: string | undefined;
  /** Service CIDRs in addition to those of the ServiceCIDR objects; canonical. */
  serviceCIDRs: readonly string[];
  /**
   * Where node ports answer: canonical CIDRs of the node's interfaces' addresses, or "primary",
   * "localhost", "all", as in a KubeProxyConfiguration. Absent or empty: "primary".
   */
  nodePortAddresses?: readonly string[];
  /** Replaces the Node object's first address of its family; as kube-proxy's bindAddress. */
  nodeIP?: string | undefined;
  /** What applies to Services whose annotations say nothing else; absent: DEFAULT_SETTINGS. */
  defaults?: FrontendSettings;
}

export interface NodeUpdate extends NodeViewUpdate {
  /** The same object in every update; it changes in place. */
  capture: CaptureSet;
  /** What changed in it since the last update. */
  captureChange: CaptureChange;
}

export class NodeFollower {
  readonly view = new NodeView();
  readonly #state: ClusterState;
  readonly #options: NodeOptions;
  readonly #dependents = new NodeDependents();
  #interfaceAddresses: readonly string[] = [];
  #hasNewAddresses = false;
  #node: ThisNode;
  readonly #capture = new FollowedCaptureSet(this.view);
  /** False before the first update. */
  #hasServiceCIDRs = false;

  constructor(state: ClusterState, options: NodeOptions) {
    this.#state = state;
    this.#options = options;
    this.#node = this.#thisNode(undefined);
  }

  /** As of the last update. */
  get node(): ThisNode {
    return this.#node;
  }

  /**
   * Where its node ports answer, the same array while that does not change; none while the Node
   * object is unknown.
   */
  get nodePortAddresses(): readonly string[] {
    return this.#node.nodePortAddresses;
  }

  /**
   * Applies the state's changes. Call it only when all kinds are synced. `interfaceAddresses` are
   * the node's present addresses, canonical; "primary" works without them. The same array means
   * that they did not change.
   */
  update(interfaceAddresses: readonly string[] = []): NodeUpdate {
    if (interfaceAddresses !== this.#interfaceAddresses) this.#hasNewAddresses = true;
    this.#interfaceAddresses = interfaceAddresses;
    const changes = this.#state.takeChanges();
    const change = this.view.apply(this.#changedViews(changes));
    const captureChange = this.#capture.apply(change, this.#changedServiceCIDRs(changes));
    return { ...change, capture: this.#capture.set, captureChange };
  }

  *#changedViews(changes: Changes): Generator<[ObjectKey, ServiceView | undefined]> {
    const keys = new Set(changes.services);
    for (const key of this.#renewNode(changes)) keys.add(key);
    for (const key of keys) yield [key, this.#viewOf(key)];
  }

  /** Returns the Services that depend on what changed of this node. */
  #renewNode({ nodes }: Changes): Iterable<ObjectKey> {
    const { nodeName } = this.#options;
    if (!nodes.has(nodeName) && !this.#hasNewAddresses) return [];
    this.#hasNewAddresses = false;
    const before = this.#node;
    const now = this.#thisNode(this.#state.nodes.get(nodeName));
    if (sameData(now, before)) return [];
    this.#node = now;
    return this.#dependents.affectedBy(before, now);
  }

  #thisNode(node: Node | undefined): ThisNode {
    const { nodeName, nodePortAddresses = [], nodeIP, defaults = DEFAULT_SETTINGS } = this.#options;
    const interfaceAddresses = this.#interfaceAddresses;
    const own = { nodePortAddresses, interfaceAddresses, nodeIP, defaults };
    return thisNodeFromNode(nodeName, node, own);
  }

  #viewOf(key: ObjectKey): ServiceView | undefined {
    const service = this.#state.services.get(key);
    const slices = service ? this.#state.slicesOf(key) : [];
    this.#dependents.note(key, service, slices, this.#node.defaults);
    if (!service) return undefined;
    return serviceViewFrom(service, slices, this.#node, this.#options.serviceProxyName);
  }

  /** Returns undefined where they are as in the last update. */
  #changedServiceCIDRs(changes: Changes): string[] | undefined {
    if (this.#hasServiceCIDRs && !changes.serviceCIDRs) return undefined;
    this.#hasServiceCIDRs = true;
    const objects = [...this.#state.serviceCIDRs.values()];
    return [...this.#options.serviceCIDRs, ...objects.flatMap(({ cidrs }) => cidrs)];
  }
}
