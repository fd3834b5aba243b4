// The connection cases on the module as it ships: what the node view says is reconciled into the
// fake host, and each connection is made often. Which connections arrive here, and which source
// address backends see, is the kernel's business; that is taken from the capture set.

import { addressAndPort, parseAddress } from "../../controller/model/ip.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import { Reconciler, type TableGateway } from "../../controller/sync/reconcile.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { deltaFrame, snapshotFrames } from "../../controller/wire/frames.ts";
import type { KubernetesObject, Outcome } from "../cases/case.ts";
import { type Handling, kernelHandling, sourceSeen, ViewedCluster } from "../cases/node-view.ts";
import { type CaseRunner, runCases } from "../cases/run.ts";
import { type ClientName, clientAddress, familyOfText, partsOf } from "../cases/topology.ts";
import { partsWithoutUdp } from "../stand-ins/captured.ts";
import { EMPTY_UDP_TARGET } from "../stand-ins/udp-targets.ts";
import { WasmHost } from "./host.ts";
import { FRAME_BYTES, PLUGIN } from "./table-fixtures.ts";

/** Of five backends, the most that a case has, one stays unseen once in 10^11 times. */
const TRIES = 120;

class WasmRunner implements CaseRunner {
  readonly #host: WasmHost;
  readonly #pushes: "deltas" | "snapshots";
  readonly #cluster = new ViewedCluster();
  readonly #target = new TargetTable();
  readonly #reconciler: Reconciler;
  #capture = EMPTY_CAPTURE_SET;

  constructor(host: WasmHost, pushes: "deltas" | "snapshots") {
    this.#host = host;
    this.#pushes = pushes;
    this.#reconciler = new Reconciler({
      table: tableOf(host),
      listeners: () => ({
        active: true,
        inherited: undefined,
        add: async () => [],
        removeOthers: async () => {},
      }),
      capture: {
        needsFull: false,
        full: async () => {},
        update: async () => {},
        verify: async () => true,
        isPresent: async () => true,
      },
    });
  }

  async apply(objects: readonly KubernetesObject[]): Promise<void> {
    const { upserted, removed, capture, captureChange } = this.#cluster.apply(objects);
    this.#capture = capture;
    this.#reconciler.markChanged(this.#target.apply(upserted, removed).records, captureChange);
    if (this.#pushes === "snapshots") this.#reconciler.forgetTable();
    const target = { table: this.#target.entries, udp: EMPTY_UDP_TARGET };
    await this.#reconciler.reconcile({ ...target, kernel: partsWithoutUdp(capture) }, false);
  }

  outcome(from: ClientName, to: string): Outcome {
    const handling = kernelHandling(this.#capture, from, to);
    const seen = this.#connectOften(from, to, handling);
    if (handling === "keep" || handling === "masquerade" || handling === "local") {
      const sources = seen.map((each) => sourceSeen(this.#capture, handling, from, each));
      return new Map(seen.map((each, index) => [each, sources[index] ?? ""]));
    }
    // Should the kernel hand it over all the same, the plugin must send it nowhere, unless the
    // frontend is there for others.
    const backends = this.#cluster.backends(to, "TCP", handling);
    const closed = this.#target.entries.has(`${to}/TCP`) ? "no-backend" : "unknown-frontend";
    if (backends.length === 0 && seen.join() !== closed) {
      throw new Error(`${to}: ${seen.join()} instead of ${closed}`);
    }
    if (handling === "untouched") return handling;
    return handling === "refuse" ? "refused" : "dropped";
  }

  close(): void {
    this.#host.close();
  }

  /** The backends, or why it was closed; each once, over all workers. */
  #connectOften(from: ClientName, to: string, handling: Handling): string[] {
    const list = handling === "local" ? "local" : "cluster";
    const client = clientAddress(from, familyOfText(to));
    const all = Array.from({ length: TRIES }, (_, index) => {
      const source = addressAndPort(client, 40_000 + index);
      const options = { list, source, worker: index % this.#host.workers } as const;
      const { backend, closed } = this.#host.connect(to, options);
      return closed ?? canonical(backend);
    });
    return [...new Set(all)];
  }
}

/** The filter state has IPv6 addresses in needsFull: false,
      full: "[fd00:1:0:0:0:0:0:1]:80". */
function canonical(backend: string): string {
  const { address, port } = partsOf(backend);
  return addressAndPort(parseAddress(address) ?? address, port);
}

/** The host's table, of which nobody knows anything at first. Every push goes to another worker. */
function tableOf(host: WasmHost): TableGateway {
  let version = 0;
  const push = (frames: Iterable<Uint8Array>) => {
    host.pushAll(frames, { worker: version % host.workers });
    return ++version;
  };
  return {
    version: async () => ({ version }),
    read: async () => ({ version: 0, entries: new Map() }),
    pushSnapshot: async (entries) => {
      const records = entries.map(({ record }) => record);
      return push(snapshotFrames(records, version + 1, FRAME_BYTES));
    },
    pushDelta: async (base, upserts, removals) => {
      const delta = {
        upserts: upserts.map(({ record }) => record),
        removals: removals.map(({ key }) => key),
      };
      return push([deltaFrame(delta, base, version + 1)]);
    },
  };
}

for (const pushes of ["deltas", "snapshots"] as const) {
  runCases("wasm", `the plugin, told by ${pushes}`, async () => {
    return new WasmRunner(await WasmHost.load(PLUGIN, { workers: 2, seed: 7 }), pushes);
  });
}
