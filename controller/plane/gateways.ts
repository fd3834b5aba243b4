// What the reconciler drives, implemented by the parts that do it: the service table behind its
// socket, and the kernel. Envoy's listeners are in envoy-listeners.ts.

import { KernelCapture, type KernelLook } from "../capture/apply.ts";
import type { KernelTarget } from "../capture/kernel-target.ts";
import type { LastingNft } from "../capture/lasting-nft.ts";
import type { CaptureOptions } from "../capture/options.ts";
import type { RunProgram } from "../capture/program.ts";
import { sameData } from "../model/same-data.ts";
import { frontendKey } from "../node/frontend-key.ts";
import { RecordEntry, type TableEntry } from "../sync/plan.ts";
import type { CaptureGateway, Programmed, TableGateway } from "../sync/reconcile.ts";
import type { TableClient } from "../table/client.ts";
import type { DecodedRecord } from "../wire/decode.ts";
import { type RecordKey, recordKey } from "../wire/key.ts";

/** Returns the table behind `client` as sync drives it. Its calls reject like the client's. */
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
function entryFromRecord(decoded: DecodedRecord): [RecordKey, TableEntry] {
  const { address, port, protocol, list, backends } = decoded;
  const entry = new RecordEntry(decoded.bytes.slice(), backends.length);
  return [recordKey(frontendKey(address, port, protocol), list), entry];
}

interface CaptureOfNodeParts {
  options: CaptureOptions;
  /** The kernel belongs to another Envoy; this changes nothing in it until `release`. */
  isHeld: boolean;
  /** Executes nft and ip. */
  run: RunProgram;
  lastingNft: LastingNft;
  /** Called when verify() sees that others have changed something. */
  onChanged: (look: KernelLook) => void;
}

/** What may change while the controller runs: how Pods are recognised, and how they reach Envoy. */
type ChangingOptions = Pick<
  CaptureOptions,
  "localDetector" | "redirectPorts" | "otherCapturePorts"
>;

/** The kernel. Its chains contain what may change, so a change rewrites everything. */
export class CaptureOfNode implements CaptureGateway {
  readonly #parts: CaptureOfNodeParts;
  #options: CaptureOptions;
  #changing: ChangingOptions | undefined;
  #kernel: KernelCapture;
  #isHeld: boolean;

  constructor(parts: CaptureOfNodeParts) {
    this.#parts = parts;
    this.#options = parts.options;
    this.#kernel = this.#made(parts.options);
    this.#isHeld = parts.isHeld;
  }

  /** Whether the kernel is another Envoy's, or was handed back: this changes nothing in it. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Changes nothing in the kernel from now on; stops capturing once `settled` resolves. */
  async handBack(settled: () => Promise<void>): Promise<void> {
    this.#isHeld = true;
    await settled();
    await this.#kernel.release();
  }

  /** Sets what is true now; each sync does. */
  set(changing: ChangingOptions): void {
    if (sameData(changing, this.#changing)) return;
    this.#changing = changing;
    const options = { ...this.#options, ...changing };
    if (sameData(options, this.#options)) return;
    this.#options = options;
    this.#kernel = this.#made(options);
  }

  #made(options: CaptureOptions): KernelCapture {
    const { run, lastingNft } = this.#parts;
    return new KernelCapture(options, run, { lastingNft });
  }

  async full(target: KernelTarget): Promise<void> {
    if (!this.#isHeld) await this.#kernel.full(target);
  }

  /** Also when the kernel was set up for other options. */
  get needsFull(): boolean {
    return !this.#isHeld && this.#kernel.needsFull;
  }

  async update(previous: KernelTarget, next: KernelTarget): Promise<void> {
    if (!this.#isHeld) await this.#kernel.update(previous, next);
  }

  /** Puts rules and routes back on the way. */
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
