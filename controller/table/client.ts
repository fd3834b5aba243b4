// The controller's end of the table endpoint: asks the plugin in Envoy for its version and its
// content, pushes deltas and snapshots, and asks what was counted per Service. Protocol:
// ARCHITECTURE.md, "The table's protocol". Keeps no table of its own; the reconciler decides what
// to push.

import { Agent } from "node:http";
import { AFFINITY_BUCKET_COUNT, BUCKET_COUNT, WIRE_VERSION } from "../../plugin/wire/layout.ts";
import { STATS_PAGE_COUNT } from "../../plugin/wire/stats-layout.ts";
import type { UnixAnswer } from "../http/ask-unix.ts";
import { KeptConnection } from "../http/kept-connection.ts";
import { addressAndPort, parseAddress } from "../model/ip.ts";
import { type DecodedRecord, decodeFrame, FrameError } from "../wire/decode.ts";
import { decodeEjected, EjectedError, type Ejection } from "../wire/ejected.ts";
import { type Delta, deltaFrame, snapshotFrames, splitDelta } from "../wire/frames.ts";
import { type FunctionFailure, functionFailuresFrom } from "../wire/function-failures.ts";
import { type BackendList, bucketOfKey, type FrontendIdentity } from "../wire/key.ts";
import { decodeStats, type StatsEntry, StatsError } from "../wire/stats.ts";
import { ask, type HttpTarget, unreachable } from "./ask.ts";
import { TableError } from "./table-error.ts";

interface TableVersion {
  /** 0 while there is no complete table. */
  version: number;
  wireVersion: number;
  /** Build id of the plugin that answered. */
  build: string;
  frontends: number;
  /** The snapshot that is being loaded. */
  loading: { version: number; nextBucket: number } | null;
}

interface TableContent {
  version: number;
  /** In the order of the table: by bucket, then by key. */
  records: DecodedRecord[];
}

interface TableClientOptions {
  timeoutMilliseconds?: number;
  /** The intended size of a frame, which sets how long one push blocks an Envoy worker. */
  frameBytes?: number;
  /** Buckets in one page of a dump. */
  dumpBuckets?: number;
}

/** Buckets of session affinity per request: at most 0.9 MB, usually some KB. */
const AFFINITY_BUCKETS = 512;
/** A range of buckets without entries has only its version. */
const EMPTY_ROW_BYTES = 4;

/** Gives up on a table that changes this often during a dump. */
const DUMP_ATTEMPTS = 5;
/** Pages per request: with 10,000 Services in use, 260 KB, which block a worker for 1 ms. */
const STATS_PAGES = 128;

const FRAMES = "/v1/frames";

function errorText(answer: UnixAnswer): { error: string; version?: number } {
  const text = answer.body.toString("utf8");
  try {
    return JSON.parse(text) as { error: string; version?: number };
  } catch {
    return { error: `${answer.status} ${text.trim()}` };
  }
}

/** Throws the error for an answer other than 200. */
function expectOk(answer: UnixAnswer): UnixAnswer {
  if (answer.status === 200) return answer;
  const { error, version } = errorText(answer);
  const message = `Envoy's table: ${error}`;
  if (answer.status === 409) throw new TableError("conflict", message, version ?? 0);
  if (answer.status === 413 || error.includes(" is over MAX_")) {
    throw new TableError("limit", message);
  }
  throw new TableError(answer.status === 400 ? "refused" : "unreachable", message);
}

export class TableClient {
  readonly #target: HttpTarget;
  /** All pushes take this way: so they reach the same Envoy worker, in order. */
  readonly #pushes: KeptConnection;
  readonly #frameBytes: number;
  readonly #dumpBuckets: number;

  constructor(socketPath: string, options: TableClientOptions = {}) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const timeoutMilliseconds = options.timeoutMilliseconds ?? 5000;
    this.#target = { socketPath, agent, timeoutMilliseconds };
    this.#pushes = new KeptConnection(socketPath, timeoutMilliseconds);
    this.#frameBytes = options.frameBytes ?? 128 * 1024;
    this.#dumpBuckets = options.dumpBuckets ?? 2048;
  }

  /** Closes the kept connections; the client may be used again. */
  close(): void {
    this.#target.agent.destroy();
    this.#pushes.close();
  }

  async #ask(path: string, body?: Uint8Array): Promise<Buffer> {
    return expectOk(await ask(this.#target, path, body)).body;
  }

  async #push(frame: Uint8Array): Promise<void> {
    const asked = this.#pushes.post(FRAMES, frame);
    expectOk(
      await asked.catch((error: Error) => Promise.reject(unreachable(this.#target, FRAMES, error))),
    );
  }

  async version(): Promise<TableVersion> {
    return this.#objectIn<TableVersion>(await this.#ask("/v1/version"));
  }

  /** Throws "unreachable" when the answer is not a table's. */
  #objectIn<T>(body: Buffer): T {
    try {
      const value: unknown = JSON.parse(body.toString("utf8"));
      if (typeof value === "object" && value !== null) return value as T;
    } catch {
      // Reported below.
    }
    throw this.#isNoTable(body);
  }

  #isNoTable(body: Buffer): TableError {
    const shown = body.toString("utf8").slice(0, 60).trim();
    const message = `${this.#target.socketPath} answers, but is not a service table: "${shown}"`;
    return new TableError("unreachable", message);
  }

  /**
   * For a socket that an operator named: rejects with "unreachable" when no table answers there,
   * and with "refused" when its wire version differs.
   */
  async expectOurWireVersion(): Promise<void> {
    const body = await this.#ask("/v1/version");
    const { wireVersion } = this.#objectIn<Partial<TableVersion>>(body);
    if (wireVersion === WIRE_VERSION) return;
    const { socketPath } = this.#target;
    if (typeof wireVersion !== "number") throw this.#isNoTable(body);
    throw new TableError(
      "refused",
      `the plugin behind ${socketPath} speaks wire version ${wireVersion}, this portico ` +
        `${WIRE_VERSION}: use portico.wasm and the portico command of the same release`,
    );
  }

  /**
   * Changes the table of version `base`; resolves to its new version once everything is applied. A
   * split delta (Delta's order kept, upserts first) may have been applied in part when it rejects;
   * the next version() shows that.
   */
  async pushDelta(base: number, delta: Delta): Promise<number> {
    let version = base;
    for (const part of splitDelta(delta, this.#frameBytes)) {
      await this.#push(deltaFrame(part, version, version + 1));
      version++;
    }
    return version;
  }

  /** Replaces the whole table; resolves to its version once everything is applied. */
  async pushSnapshot(records: readonly Uint8Array[]): Promise<number> {
    const { version: present, loading } = await this.version();
    const version = Math.max(present, loading?.version ?? 0) + 1;
    for (const frame of snapshotFrames(records, version, this.#frameBytes)) {
      await this.#push(frame);
    }
    return version;
  }

  /**
   * Returns the whole table, of one version; version 0 and no records when there is no complete
   * table. Rejects with "conflict" when it keeps changing.
   */
  async dump(): Promise<TableContent> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const content = await this.#dumpOnce();
      if (content) return content;
    }
    throw new TableError("conflict", "Envoy's table changed while it was read; try again");
  }

  /**
   * Returns the backend that a client keeps by session affinity, in one list of a TCP frontend;
   * undefined when there is none, or when the plugin does not report it.
   */
  async session(frontend: FrontendIdentity, list: BackendList, client: string) {
    const at = addressAndPort(frontend.address, frontend.port);
    const query = `frontend=${at}&client=${addressAndPort(client, 0)}&list=${list}`;
    const answer = await ask(this.#target, `/v1/session?${query}`);
    if (answer.status === 404) return undefined;
    const { body } = expectOk(answer);
    const { backend, seconds } = this.#objectIn<{ backend: string | null; seconds: number }>(body);
    return backend === null ? undefined : { ...placeFromText(backend), seconds };
  }

  /** Returns the record of a key; undefined when the table has none, or is incomplete. */
  async read(key: Uint8Array): Promise<DecodedRecord | undefined> {
    const bucket = bucketOfKey(key);
    const page = decodePage(await this.#ask(`/v1/dump?first=${bucket}&count=1`));
    if (page.version === 0) return undefined;
    return page.upserts.find(({ keyBytes }) => Buffer.compare(keyBytes, key) === 0);
  }

  /**
   * Returns what was counted per Service. Undefined when the plugin does not count in this version:
   * an older or a custom one.
   */
  async stats(): Promise<StatsEntry[] | undefined> {
    const entries: StatsEntry[] = [];
    for (let first = 0; first < STATS_PAGE_COUNT; first += STATS_PAGES) {
      const answer = await ask(this.#target, `/v1/stats?first=${first}&count=${STATS_PAGES}`);
      if (answer.status === 404) return undefined;
      try {
        for (const entry of decodeStats(expectOk(answer).body)) entries.push(entry);
      } catch (error) {
        if (error instanceof StatsError) return undefined;
        throw error;
      }
    }
    return entries;
  }

  /** Makes the plugin drop entries (by keyBytes) that have no open connection. */
  async forgetStats(keys: readonly Uint8Array[]): Promise<void> {
    if (keys.length > 0) await this.#ask("/v1/stats/forget", Buffer.concat(keys));
  }

  /**
   * Returns the backends that fail, and that new connections leave alone. Undefined when the plugin
   * ejects none in this version: an older or a custom one.
   */
  async ejected(): Promise<Ejection[] | undefined> {
    const answer = await ask(this.#target, "/v1/ejected");
    if (answer.status === 404) return undefined;
    try {
      return decodeEjected(expectOk(answer).body);
    } catch (error) {
      if (error instanceof EjectedError) return undefined;
      throw error;
    }
  }

  /** Returns how functions failed since Envoy started; none from a plugin that does not say. */
  async functionFailures(): Promise<FunctionFailure[]> {
    const answer = await ask(this.#target, "/v1/functions");
    return answer.status === 404 ? [] : functionFailuresFrom(expectOk(answer).body);
  }

  /**
   * Copies which backend each client has by session affinity from another Envoy; what this one
   * already remembers stays. Rejects when one of the two plugins cannot do that.
   */
  async takeAffinityFrom(other: TableClient): Promise<void> {
    for (let first = 0; first < AFFINITY_BUCKET_COUNT; first += AFFINITY_BUCKETS) {
      const row = await other.#ask(`/v1/affinity?first=${first}&count=${AFFINITY_BUCKETS}`);
      if (row.length > EMPTY_ROW_BYTES) await this.#ask("/v1/affinity/take", row);
    }
  }

  /** Returns undefined when the version changed between two pages. */
  async #dumpOnce(): Promise<TableContent | undefined> {
    const { version } = await this.version();
    if (version === 0) return { version, records: [] };
    const records: DecodedRecord[] = [];
    for (let first = 0; first < BUCKET_COUNT; ) {
      const page = decodePage(
        await this.#ask(`/v1/dump?first=${first}&count=${this.#dumpBuckets}`),
      );
      if (page.version !== version) return undefined;
      for (const record of page.upserts) records.push(record);
      first = page.firstBucket + page.bucketCount;
    }
    return { version, records };
  }
}

/** "10.1.1.11:8080" or "[fd00:1:0:0:0:0:0:1]:8080" → canonical address, and port. */
function placeFromText(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(":");
  const address = text.slice(0, colon).replace(/^\[|\]$/g, "");
  return { address: parseAddress(address) ?? address, port: Number(text.slice(colon + 1)) };
}

function decodePage(bytes: Buffer): ReturnType<typeof decodeFrame> {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    if (error instanceof FrameError) throw new TableError("refused", `dump: ${error.message}`);
    throw error;
  }
}
