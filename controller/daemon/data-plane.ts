// What the reconciler drives, in terms of the parts that do it: the service table behind its
// socket, and the kernel. Envoy's listeners are in envoy-listeners.ts.

import { KernelCapture, type KernelLook } from "../capture/apply.ts";
import type { CaptureOptions } from "../capture/options.ts";
import type { RunProgram } from "../capture/program.ts";
import { sameData } from "../model/same-data.ts";
import { frontendKey } from "../node/frontend-key.ts";
import type { CaptureSet } from "../node/types.ts";
import type { TableEntry } from "../sync/plan.ts";
import type { CaptureGateway, Programmed, TableGateway } from "../sync/reconcile.ts";
import type { TableClient } from "../table/client.ts";
import type { DecodedRecord } from "../wire/decode.ts";
import { recordKey } from "../wire/key.ts";

export function tableGateway(client: TableClient): TableGateway {
  return {
    version: () => client.version(),
    read: async (): Promise<Programmed> => {
      const { version, records } = await client.dump();
      return { version, entries: new Map(records.map(entryFromRecord)) };
    },
    pushSnapshot: (entries) => client.pushSnapshot(entries.map(({ record }) => record)),
    pushDelta: (base, upserts, removals) =>
      client.pushDelta(base, {
        upserts: upserts.map(({ record }) => record),
        removals: removals.map(({ key }) => key),
      }),
  };
}

/** Copies the bytes: a view would keep the whole page of the dump alive. */
function entryFromRecord(decoded: DecodedRecord): [string, TableEntry] {
  const { address, port, protocol, list, backends } = decoded;
  const entry = {
    key: decoded.keyBytes.slice(),
    record: decoded.bytes.slice(),
    backendCount: backends.length,
  };
  return [recordKey(frontendKey(address, port, protocol), list), entry];
}

export interface CaptureOfNodeParts {
  options: CaptureOptions;
  /** The kernel belongs to another Envoy, and nothing is done to it, until `release`. */
  isHeld: boolean;
  /** Executes nft and ip. */
  run: RunProgram;
  /** Called when verify() sees that others have changed something. */
  onChanged: (look: KernelLook) => void;
}

/** What may change while the controller runs: how Pods are known, and come to Envoy. */
type ChangingOptions = Pick<
  CaptureOptions,
  "localDetector" | "redirectPorts" | "otherCapturePorts"
>;

/** The kernel; its chains name what may change, so that a change means everything anew. */
export class CaptureOfNode implements CaptureGateway {
  readonly #parts: CaptureOfNodeParts;
  #options: CaptureOptions;
  #kernel: KernelCapture;
  #isHeld: boolean;

  constructor(parts: CaptureOfNodeParts) {
    this.#parts = parts;
    this.#options = parts.options;
    this.#kernel = new KernelCapture(parts.options, parts.run);
    this.#isHeld = parts.isHeld;
  }

  /** Whether the kernel has what Envoy is to get; not while it is another's. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** From now on nothing is captured, nor done to the kernel; `settled` is no sync's business. */
  async handBack(settled: () => Promise<void>): Promise<void> {
    this.#isHeld = true;
    await settled();
    await this.#kernel.release();
  }

  /** As of now. */
  set(changing: ChangingOptions): void {
    const options = { ...this.#options, ...changing };
    if (sameData(options, this.#options)) return;
    this.#options = options;
    this.#kernel = new KernelCapture(this.#options, this.#parts.run);
  }

  async full(set: CaptureSet): Promise<void> {
    if (!this.#isHeld) await this.#kernel.full(set);
  }

  /** A kernel that was made for other options does everything anew. */
  async update(previous: CaptureSet, next: CaptureSet): Promise<void> {
    if (!this.#isHeld) await this.#kernel.update(previous, next);
  }

  /** Rules and routes are put back meanwhile. */
  async verify(): Promise<boolean> {
    const look = await this.#kernel.look({ mends: !this.#isHeld });
    if (!this.#isHeld && look.changedParts.length > 0) this.#parts.onChanged(look);
    return look.changes.length === 0 || look.isMended;
  }

  look(): Promise<KernelLook> {
    return this.#kernel.look();
  }

  async isPresent(): Promise<boolean> {
    return !this.#isHeld && (await this.#kernel.isPresent());
  }
}
