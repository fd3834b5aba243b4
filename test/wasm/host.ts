// A strict fake proxy-wasm host: what Envoy does with the plugin, in one process. It loads the
// module as it ships into two VMs for each worker, all with the same shared data: one for the
// roles "connection" and "table", one for "connection-local"; and drives them. For tests of the
// plugin, and for any test that wants to know what the plugin does with a table.

import { readFile } from "node:fs/promises";
import type { BackendList } from "../../controller/wire/key.ts";
import {
  CLUSTER,
  ConnectingEnvoy,
  type ConnectionEnd,
  ORIGINAL_DESTINATION,
} from "./connecting-envoy.ts";
import { Guest, GuestError, type Surroundings } from "./guest.ts";
import { randomBits } from "./random.ts";
import { SharedData } from "./shared-data.ts";
import type { ConnectionStream, LocalResponse, RequestStream, RootStream } from "./stream.ts";
import { type WasmModule, WebAssembly } from "./webassembly.ts";

const NAME = "envoy.string";
const SPAN_CONNECTION = 2;
const ACTION_CONTINUE = 0;
const ACTION_STOP = 1;

export interface HostOptions {
  /** Number of VMs; 1 when absent. */
  workers?: number;
  /** Of the random bytes that the VMs are seeded with. */
  seed?: number;
  /** The plugin's configuration. */
  build?: string;
  /** An earlier host's, for a reload; new when absent. */
  shared?: SharedData;
  /** Nanoseconds since 1970; a clock that stands still when absent. */
  now?: () => bigint;
  /** Nanoseconds that only go forward; a clock that stands still when absent. */
  steadyNow?: () => bigint;
}

/** Why a connection was closed: the counter that went up, or "failed" when none did. */
type CloseReason = "unknown-frontend" | "no-backend" | "limited" | "failed";
export type Connected =
  | { backend: string; closed?: undefined }
  | { closed: CloseReason; backend?: undefined };

export interface ConnectOptions {
  worker?: number;
  /** Whose listener the kernel hands it to; "cluster" when absent. */
  list?: BackendList;
  /** Of the client, with its port; one like any other when absent. */
  source?: string;
  /** Whether no backend has accepted yet: `envoy` says what happens. Else one accepts at once. */
  waits?: boolean;
}

/** A connection that lives until it is ended. */
export interface OpenConnection {
  connected: Connected;
  /** What the plugin called it for the flow log; undefined when it did not. */
  name: string | undefined;
  /** What Envoy does to connect it. */
  envoy: ConnectingEnvoy;
  end(how?: ConnectionEnd): void;
}

export interface RequestOptions {
  worker?: number;
  /** The body comes in parts of this many bytes. */
  partBytes?: number;
}

/** One role in one VM. */
interface Root {
  guest: Guest;
  stream: RootStream;
  context: number;
}

export class WasmHost {
  readonly module: WasmModule;
  readonly shared: SharedData;
  readonly counters = new Map<string, number>();
  readonly logs: { level: number; message: string }[] = [];
  /** A status instead of the named host function; undefined lets it happen. */
  fault: ((name: string) => number | undefined) | undefined;
  readonly #guests: Guest[] = [];
  readonly #localGuests: Guest[] = [];
  #roots: Root[] = [];
  #nextContext = 1;
  readonly #contexts = new Set<number>();

  private constructor(module: WasmModule, options: HostOptions) {
    this.module = module;
    this.shared = options.shared ?? new SharedData();
  }

  /** `wasm`: a path, or the bytes. Rejects when a role refuses its configuration. */
  static async load(wasm: string | Uint8Array, options: HostOptions = {}): Promise<WasmHost> {
    const bytes = typeof wasm === "string" ? await readFile(wasm) : wasm;
    const host = new WasmHost(await WebAssembly.compile(bytes), options);
    const around: Surroundings = {
      shared: host.shared,
      counters: host.counters,
      logs: host.logs,
      now: options.now ?? (() => 1_000_000_000_000_000_000n),
      steadyNow: options.steadyNow ?? (() => 1_000_000_000_000n),
      random: randomBits(options.seed ?? 1),
      fault: (name) => host.fault?.(name),
    };
    for (let i = 0; i < (options.workers ?? 1); i++) {
      const guest = await Guest.start(host.module, around);
      host.#guests.push(guest);
      host.#configure(guest, "connection", options.build ?? "");
      host.#configure(guest, "table", options.build ?? "");
      const localGuest = await Guest.start(host.module, around);
      host.#localGuests.push(localGuest);
      host.#configure(localGuest, "connection-local", options.build ?? "");
    }
    return host;
  }

  get workers(): number {
    return this.#guests.length;
  }

  /** Linear memory of one VM. */
  memoryBytes(worker = 0): number {
    return this.#guest(worker).memoryBytes;
  }

  counter(name: string): number {
    const value = this.counters.get(`portico_${name}_total`);
    if (value === undefined) throw new Error(`the plugin defines no counter ${name}`);
    return value;
  }

  /** Asks a new VM to take roles one after another; whether it takes the last. */
  async wouldConfigure(rootIds: string | readonly string[], build = ""): Promise<boolean> {
    const guest = await Guest.start(this.module, {
      shared: new SharedData(),
      counters: new Map(),
      logs: this.logs,
      now: () => 0n,
      steadyNow: () => 0n,
      random: () => 0,
      fault: undefined,
    });
    return (
      [rootIds]
        .flat()
        .map((rootId) => this.#accepts(guest, rootId, build))
        .at(-1) === true
    );
  }

  /** A connection to "10.96.0.10:80" or "[fd00::a]:80", and its end. */
  connect(destination: string, options: ConnectOptions = {}): Connected {
    const { connected, end } = this.open(destination, options);
    end();
    return connected;
  }

  /** A new connection. */
  open(destination: string, options: ConnectOptions = {}): OpenConnection {
    const { worker = 0, list = "cluster", source = "10.1.1.10:40000", waits } = options;
    const guest = this.#guest(worker, list);
    const before = this.#closeCounts();
    const stream: ConnectionStream = {
      kind: "connection",
      root: this.#rootOf(guest, list === "local" ? "connection-local" : "connection"),
      properties: { "destination\0address": destination, "source\0address": source },
      filterState: new Map(),
      closed: false,
    };
    const context = this.#beginContext(guest, stream);
    const action = guest.call(stream, "proxy_on_new_connection", context);
    const envoy = new ConnectingEnvoy(stream);
    const end = (how: ConnectionEnd = {}) => {
      envoy.end(how);
      this.#endContext(guest, stream, context);
    };
    const set = stream.filterState.get(ORIGINAL_DESTINATION);
    const name = stream.filterState.get(NAME)?.value;
    const cluster = stream.filterState.get(CLUSTER);
    if (stream.closed || cluster) {
      const isEnded = stream.closed && action === ACTION_STOP && !set && !cluster;
      const isRefused =
        !stream.closed && action === ACTION_CONTINUE && isRefusing(cluster, destination);
      if (!isEnded && !isRefused) {
        throw new GuestError(`a connection to ${destination} was closed, and went on`);
      }
      return { connected: { closed: this.#closeReason(before) }, name, envoy, end };
    }
    if (action !== ACTION_CONTINUE || set?.span !== SPAN_CONNECTION) {
      throw new GuestError(
        `a connection to ${destination} was neither closed nor given a backend: ` +
          `action ${action}, filter state ${JSON.stringify(set)}`,
      );
    }
    envoy.attempt();
    if (!waits) envoy.accept();
    return { connected: { backend: set.value }, name, envoy, end };
  }

  /** A second passes for all VMs that asked to be told; the clock is the test's. */
  tick(): void {
    for (const root of this.#roots) {
      let milliseconds = 0;
      while (milliseconds < 1_000 && root.stream.tickMilliseconds > 0) {
        milliseconds += root.stream.tickMilliseconds;
        tickOf(root);
      }
    }
  }

  /** One tick of each VM that asked for ticks, after however long. */
  tickOnce(): void {
    for (const root of this.#roots) if (root.stream.tickMilliseconds > 0) tickOf(root);
  }

  /** The periods of the timers that run, in milliseconds; empty where nothing asked for ticks. */
  get tickPeriods(): number[] {
    return this.#roots.map(({ stream }) => stream.tickMilliseconds).filter((period) => period > 0);
  }

  /** Whether a VM asked for ticks. */
  get isTicking(): boolean {
    return this.tickPeriods.length > 0;
  }

  /** A changed configuration: the same VMs get new root contexts, and the old ones stay. */
  configureAgain(build: string): void {
    for (const guest of this.#guests) this.#configure(guest, "connection", build);
    for (const guest of this.#localGuests) this.#configure(guest, "connection-local", build);
  }

  /** Ends the root contexts whose connections have ended, but for the last ones of each role. */
  endOldRoots(): void {
    const isLast = ({ guest, stream }: Root) =>
      this.#rootOf(guest, String(stream.properties.plugin_root_id)) === stream;
    for (const { guest, stream, context } of this.#roots.filter((root) => !isLast(root))) {
      guest.end(context, stream);
    }
    this.#roots = this.#roots.filter(isLast);
  }

  /** One request to the table endpoint. */
  request(
    method: string,
    path: string,
    body: Uint8Array = new Uint8Array(),
    options: RequestOptions = {},
  ): LocalResponse {
    const guest = this.#guest(options.worker ?? 0);
    const stream: RequestStream = {
      kind: "request",
      root: this.#rootOf(guest, "table"),
      properties: {},
      headers: { ":method": method, ":path": path, ":authority": "portico" },
      body: Buffer.alloc(0),
      response: undefined,
    };
    return this.#inContext(guest, stream, (context) => {
      const count = Object.keys(stream.headers).length;
      const bodyless = body.length === 0 ? 1 : 0;
      const action = guest.call(stream, "proxy_on_request_headers", context, count, bodyless);
      if (!stream.response && action !== ACTION_STOP) throw new GuestError("the request went on");
      this.#sendBody(guest, context, stream, Buffer.from(body), options.partBytes ?? body.length);
      if (!stream.response) throw new GuestError("the request was not answered");
      return stream.response;
    });
  }

  /** Pushes a frame; the answer's status and its JSON. */
  push(
    frame: Uint8Array,
    options: RequestOptions = {},
  ): { status: number; error?: string; version?: number } {
    const { status, body } = this.request("POST", "/v1/frames", frame, options);
    return { status, ...(JSON.parse(body.toString("utf8")) as object) };
  }

  /** Pushes frames that must be applied. */
  pushAll(frames: Iterable<Uint8Array>, options: RequestOptions = {}): void {
    for (const frame of frames) {
      const answer = this.push(frame, options);
      if (answer.status !== 200) throw new Error(`frame not applied: ${JSON.stringify(answer)}`);
    }
  }

  /** Ends the host's life, as a new plugin does with the old one: no context may be left. */
  close(): void {
    const left = [...this.#contexts];
    if (left.length > 0) throw new GuestError(`contexts ${left.join(", ")} were never deleted`);
    for (const { guest, stream, context } of this.#roots) {
      guest.end(context, stream);
    }
  }

  #rootOf(guest: Guest, rootId: string): RootStream {
    const own = this.#roots.filter((root) => root.guest === guest);
    const root = own.findLast(({ stream }) => stream.properties.plugin_root_id === rootId);
    if (!root) throw new Error(`the VM has no root context ${rootId}`);
    return root.stream;
  }

  #sendBody(
    guest: Guest,
    context: number,
    stream: RequestStream,
    body: Buffer,
    partBytes: number,
  ): void {
    for (let sent = 0; sent < body.length && !stream.response; ) {
      sent = Math.min(sent + partBytes, body.length);
      // What came before is kept, because the guest answered that it waits for more.
      stream.body = body.subarray(0, sent);
      const end = sent === body.length ? 1 : 0;
      const action = guest.call(stream, "proxy_on_request_body", context, sent, end);
      if (!stream.response && action !== ACTION_STOP) throw new GuestError("the body went on");
    }
  }

  #guest(worker: number, list: BackendList = "cluster"): Guest {
    const guest = (list === "local" ? this.#localGuests : this.#guests)[worker];
    if (!guest) throw new Error(`there is no worker ${worker}`);
    return guest;
  }

  /** Creates a context, lets it live for `use`, and deletes it. */
  #inContext<Result>(
    guest: Guest,
    stream: ConnectionStream | RequestStream,
    use: (context: number) => Result,
  ): Result {
    const context = this.#beginContext(guest, stream);
    const result = use(context);
    this.#endContext(guest, stream, context);
    return result;
  }

  #beginContext(guest: Guest, stream: ConnectionStream | RequestStream): number {
    const context = this.#nextContext++;
    this.#contexts.add(context);
    guest.begin(context, stream);
    return context;
  }

  #endContext(guest: Guest, stream: ConnectionStream | RequestStream, context: number): void {
    if (!this.#contexts.delete(context)) throw new Error(`context ${context} has ended before`);
    guest.end(context, stream);
  }

  #accepts(guest: Guest, rootId: string, build: string): boolean {
    const configuration = Buffer.from(build);
    const properties = { plugin_root_id: rootId };
    const stream: RootStream = { kind: "root", properties, configuration, tickMilliseconds: 0 };
    const root = this.#nextContext++;
    this.#roots.push({ guest, stream, context: root });
    guest.begin(root, stream);
    if (guest.call(stream, "proxy_on_vm_start", root, 0) === 0) return false;
    return guest.call(stream, "proxy_on_configure", root, configuration.length) !== 0;
  }

  #configure(guest: Guest, rootId: string, build: string): void {
    if (this.#accepts(guest, rootId, build)) return;
    throw new GuestError(`${rootId} refused its configuration: ${this.logs.at(-1)?.message}`);
  }

  #closeCounts(): Map<CloseReason, number> {
    const count = (name: string) => this.counters.get(`portico_${name}_total`) ?? 0;
    return new Map([
      ["unknown-frontend", count("unknown_frontend")],
      ["no-backend", count("no_backend")],
      ["limited", count("limited")],
    ]);
  }

  #closeReason(before: ReadonlyMap<CloseReason, number>): CloseReason {
    const after = this.#closeCounts();
    const isMore = ([reason, count]: [CloseReason, number]) => count > (before.get(reason) ?? 0);
    return [...after].find(isMore)?.[0] ?? "failed";
  }
}

function isRefusing(
  cluster: { value: string; span: number } | undefined,
  destination: string,
): boolean {
  const family = destination.startsWith("[") ? "ipv6" : "ipv4";
  return cluster?.value === `refusing-${family}` && cluster.span === SPAN_CONNECTION;
}

function tickOf({ guest, stream, context }: Root): void {
  guest.call(stream, "proxy_on_tick", context);
}
