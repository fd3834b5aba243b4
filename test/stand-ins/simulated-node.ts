// A node's data plane from the cluster's state to the kernel: everything as in the product, but for
// nft (simulated-nft.ts), and for an Envoy that takes what it is given.

import { KernelCapture } from "../../controller/capture/apply.ts";
import type { KernelTarget } from "../../controller/capture/kernel-target.ts";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { rulesetFrom } from "../../controller/capture/ruleset.ts";
import { ClusterState } from "../../controller/model/cluster-state.ts";
import { NodeFollower } from "../../controller/node/follow-cluster.ts";
import type { CaptureSet, FrontendKey } from "../../controller/node/types.ts";
import type { UdpBindings } from "../../controller/node/udp-binding.ts";
import type { TableEntry } from "../../controller/sync/plan.ts";
import {
  type CaptureGateway,
  type Gateways,
  type Listeners,
  Reconciler,
} from "../../controller/sync/reconcile.ts";
import { WantedInKernel } from "../../controller/sync/target-kernel.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { TargetUdp } from "../../controller/sync/target-udp.ts";
import type { UdpListener, UdpOptions } from "../../controller/xds/udp-target.ts";
import { SimulatedNft } from "./simulated-nft.ts";

export const NODE_NAME = "node-1";
const NODE_OPTIONS = { nodeName: NODE_NAME, serviceProxyName: undefined, serviceCIDRs: [] };
/** On a node without bridges. */
const OPTIONS: CaptureOptions = {
  ...DEFAULT_CAPTURE_OPTIONS,
  policyHook: "output",
  forwarding: [],
  bridges: { hasNetfilter: false, calling: [], unseen: [] },
};

/** What may fail, in the order of a sync. */
export type Part = "table" | "listeners" | "nft";

export class SimulatedNode {
  readonly state = new ClusterState();
  readonly nft = new SimulatedNft();
  /** Frontends whose UDP listeners Envoy refuses. */
  refused: ReadonlySet<FrontendKey> = new Set();
  /** UDP listeners of another Envoy. */
  former: UdpBindings = new Map();
  /** Called whenever a part is used; throws to make it fail. */
  fault: (part: Part) => void = () => {};
  readonly reconciler: Reconciler;
  readonly #follower = new NodeFollower(this.state, NODE_OPTIONS);
  readonly #table: TargetTable;
  readonly #udp = new TargetUdp([]);
  readonly #capture: CaptureWithOptions;
  #isListening = false;
  #missing: readonly UdpListener[] = [];

  /** `maxFrontends`: of the table. */
  constructor(maxFrontends?: number) {
    this.#table = new TargetTable(maxFrontends);
    this.nft.fault = () => this.fault("nft");
    this.#capture = new CaptureWithOptions(this.nft);
    this.reconciler = new Reconciler({
      table: this.#tableGateway(),
      listeners: () => this.#listeners(),
      capture: this.#capture,
    });
  }

  /** Sets which addresses are Pods of this node, for the chains. */
  setPods(cidrs: readonly string[]): void {
    this.#capture.set({ kind: "cidrs", cidrs });
  }

  /** Envoy starts anew. */
  restartEnvoy(): void {
    this.#isListening = false;
    this.reconciler.forgetTable();
  }

  /** One sync of the controller. */
  async sync(full = false): Promise<void> {
    const { upserted, removed, capture, captureChange } = this.#follower.update();
    const { records, leftOut } = this.#table.apply(upserted, removed);
    const frontends = [...captureChange.frontends, ...leftOut];
    const options: UdpOptions = { masqueradeAll: false, podFamilies: ["IPv4", "IPv6"] };
    const udpBindings = this.#udp.apply(upserted, removed, options);
    this.reconciler.markChanged(records, { ...captureChange, frontends, udpBindings });
    const target = { table: this.#table.entries, udp: this.#udp.target };
    await this.reconciler.reconcile({ ...target, kernel: this.#parts(capture) }, full);
  }

  /** Returns the text of the table that the kernel should have, computed from the state alone. */
  wantedText(): string {
    const state = new ClusterState();
    state.replaceAll("Node", this.state.nodes.values());
    state.replaceAll("ServiceCIDR", this.state.serviceCIDRs.values());
    state.replaceAll("EndpointSlice", this.state.endpointSlices.values());
    state.replaceAll("Service", this.state.services.values());
    const { capture } = new NodeFollower(state, NODE_OPTIONS).update();
    const wanted = new WantedInKernel(this.#parts(capture), this.#missing);
    return rulesetFrom(wanted.whole(), this.#capture.options);
  }

  #parts(captureSet: CaptureSet) {
    const { bindings: udpBindings } = this.#udp;
    const { leftOut } = this.#table;
    return { captureSet, leftOut, udpBindings, formerUdpBindings: this.former };
  }

  #tableGateway(): Gateways["table"] {
    let version = 0;
    const push = async () => {
      this.fault("table");
      version += 1;
      return version;
    };
    return {
      version: async () => ({ version }),
      read: async () => ({ version: 0, entries: new Map<string, TableEntry>() }),
      pushSnapshot: push,
      pushDelta: push,
    };
  }

  #listeners(): Listeners {
    return {
      active: this.#isListening,
      inherited: undefined,
      add: async (udp) => {
        this.fault("listeners");
        this.#isListening = true;
        const { refused } = this;
        // Not to count as work of the product where it refuses nothing.
        const all = refused.size === 0 ? [] : [...udp.listeners.values()];
        this.#missing = all.filter(({ frontend }) => refused.has(frontend));
        return this.#missing;
      },
      removeOthers: async () => this.fault("listeners"),
    };
  }
}

/** As plane/gateways.ts has it: other options are another KernelCapture. */
class CaptureWithOptions implements CaptureGateway {
  options = OPTIONS;
  readonly #nft: SimulatedNft;
  #kernel: KernelCapture;

  constructor(nft: SimulatedNft) {
    this.#nft = nft;
    this.#kernel = this.#made();
  }

  set(localDetector: CaptureOptions["localDetector"]): void {
    this.options = { ...this.options, localDetector };
    this.#kernel = this.#made();
  }

  get needsFull(): boolean {
    return this.#kernel.needsFull;
  }

  full(target: KernelTarget): Promise<void> {
    return this.#kernel.full(target);
  }

  update(previous: KernelTarget, next: KernelTarget): Promise<void> {
    return this.#kernel.update(previous, next);
  }

  verify(): Promise<boolean> {
    return this.#kernel.verify();
  }

  isPresent(): Promise<boolean> {
    return this.#kernel.isPresent();
  }

  #made(): KernelCapture {
    const readers = { bridgeCalls: async () => undefined, looseReversePath: async () => true };
    return new KernelCapture(this.options, this.#nft.run, readers);
  }
}
