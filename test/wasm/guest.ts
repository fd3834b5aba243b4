// One VM: the compiled module, its memory, and the host functions it imports. Strict where Envoy is
// lenient: an import that Envoy lacks, a pointer outside of memory, or a function called on a
// context of the wrong kind is an error of the test and no status. A function that Envoy has and
// this host does not play is an error only once it is called.

import { ENVOY_FUNCTIONS } from "./envoy-abi.ts";
import { filterStateFromArgument } from "./filter-state.ts";
import type { SharedData } from "./shared-data.ts";
import { STATUS } from "./status.ts";
import type { LocalResponse, RequestStream, Stream } from "./stream.ts";
import { wasiFunctions } from "./wasi.ts";
import { type WasmModule, WebAssembly } from "./webassembly.ts";

/** The guest did what a good guest never does. */
export class GuestError extends Error {
  override readonly name = "GuestError";
}

function fail(what: string): never {
  throw new GuestError(what);
}

const WASI_MODULES = ["wasi_snapshot_preview1", "wasi_unstable"];

/** What all VMs of one host share. */
export interface Surroundings {
  shared: SharedData;
  counters: Map<string, number>;
  logs: { level: number; message: string }[];
  /** Nanoseconds since 1970. */
  now: () => bigint;
  /** Nanoseconds of a clock that only goes forward. */
  steadyNow: () => bigint;
  /** The next 32 random bits. */
  random: () => number;
  /** A status instead of the host function, or undefined to let it happen. */
  fault: ((name: string) => number | undefined) | undefined;
}

type HostFunction = (...values: number[]) => number;
type Callback = (...values: number[]) => number;

export class Guest {
  readonly #around: Surroundings;
  #exports: Record<string, unknown> = {};
  readonly #metrics: string[] = [];
  /** Contexts that have not ended. */
  readonly #contexts = new Map<number, Stream>();
  #stream: Stream | undefined;

  private constructor(around: Surroundings) {
    this.#around = around;
  }

  static async start(module: WasmModule, around: Surroundings): Promise<Guest> {
    const guest = new Guest(around);
    const instance = await WebAssembly.instantiate(module, guest.#imports(module));
    guest.#exports = instance.exports;
    guest.#begin();
    return guest;
  }

  get memoryBytes(): number {
    return this.#memory().length;
  }

  begin(context: number, stream: Stream): void {
    this.#contexts.set(context, stream);
    this.call(stream, "proxy_on_context_create", context, stream.kind === "root" ? 0 : 1);
  }

  /** A context that is not done would stay until it calls proxy_done, which nothing here does. */
  end(context: number, stream: Stream): void {
    if (this.call(stream, "proxy_on_done", context) === 0) {
      throw new GuestError(`proxy_on_done of a ${stream.kind} context returned 0: it never ends`);
    }
    if (stream.kind !== "root") this.call(stream, "proxy_on_log", context);
    this.call(stream, "proxy_on_delete", context);
    this.#contexts.delete(context);
  }

  /** Calls a callback of a context; undefined when the module does not export it. */
  call(stream: Stream, name: string, ...values: number[]): number | undefined {
    if (!this.#exports[name]) return undefined;
    this.#stream = stream;
    try {
      return this.#run(name, ...values);
    } finally {
      this.#stream = undefined;
    }
  }

  /** What a language's runtime does first, as proxy-wasm-cpp-host's startVm has it done. */
  #begin(): void {
    const first = this.#exports._initialize ? "_initialize" : "_start";
    if (this.#exports[first]) this.#run(first);
  }

  /** Has a trap name the function that was called, and what was logged before it. */
  #run(name: string, ...values: number[]): number | undefined {
    const logged = this.#around.logs.length;
    try {
      return (this.#exports[name] as Callback)(...values);
    } catch (error) {
      const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
      if (!isTrap) throw error;
      const said = this.#around.logs.slice(logged).map(({ message }) => `; logged: ${message}`);
      throw new GuestError(`${name} trapped: ${error.message}${said.join("")}`, { cause: error });
    }
  }

  // Memory. The view is made anew for each access: a call of the guest may have grown it.

  #memory(): Buffer {
    return Buffer.from((this.#exports.memory as { buffer: ArrayBuffer }).buffer);
  }

  /** A copy of the guest's bytes. */
  #read(pointer: number, size: number): Buffer {
    const memory = this.#memory();
    const start = pointer >>> 0;
    const end = start + (size >>> 0);
    if (end > memory.length) throw new GuestError(`bytes ${start} to ${end} are not in memory`);
    return Buffer.from(memory.subarray(start, end));
  }

  #text(pointer: number, size: number): string {
    return this.#read(pointer, size).toString("utf8");
  }

  #write(pointer: number, bytes: Uint8Array): void {
    this.#read(pointer, bytes.length);
    this.#memory().set(bytes, pointer >>> 0);
  }

  #writeWord(pointer: number, value: number): void {
    this.#read(pointer, 4);
    this.#memory().writeUInt32LE(value >>> 0, pointer >>> 0);
  }

  /** Room for bytes that the guest is to own: `malloc`, or its older name. */
  #allocate(size: number): number {
    const allocator = this.#exports.malloc ?? this.#exports.proxy_on_memory_allocate;
    if (!allocator) throw new GuestError("it exports neither malloc nor proxy_on_memory_allocate");
    return (allocator as Callback)(size) >>> 0;
  }

  /** As copyToPointerSize: no bytes, no allocation, pointer 0. */
  #giveBytes(bytes: Buffer, outPointer: number, outSize: number): number {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = this.#allocate(bytes.length);
      this.#write(pointer, bytes);
    }
    this.#writeWord(outPointer, pointer);
    this.#writeWord(outSize, bytes.length);
    return STATUS.ok;
  }

  #giveText(text: string | undefined, outPointer: number, outSize: number): number {
    if (text === undefined) return STATUS.notFound;
    return this.#giveBytes(Buffer.from(text), outPointer, outSize);
  }

  // Host functions.

  #imports(module: WasmModule): Record<string, Record<string, HostFunction>> {
    const imports: Record<string, Record<string, HostFunction>> = {};
    const functions = this.#hostFunctions();
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      const full = `${from}.${name}`;
      if (kind !== "function" || !ENVOY_FUNCTIONS.has(full)) {
        throw new GuestError(`unknown import ${full}`);
      }
      const played = functions[full] ?? (() => fail(`${full}, which this host does not play`));
      imports[from] ??= {};
      imports[from][name] = (...values) => this.#around.fault?.(name) ?? played(...values);
    }
    return imports;
  }

  #wasiFunctions(): Record<string, HostFunction> {
    const { logs, now, steadyNow, random } = this.#around;
    const functions = wasiFunctions({
      read: (pointer, size) => this.#read(pointer, size),
      write: (pointer, bytes) => this.#write(pointer, bytes),
      log: (level, message) => logs.push({ level, message }),
      now,
      steadyNow,
      random,
      fail,
    });
    return Object.fromEntries(
      Object.entries(functions).flatMap(([name, own]) =>
        WASI_MODULES.map((module) => [`${module}.${name}`, own] as const),
      ),
    );
  }

  #hostFunctions(): Record<string, HostFunction> {
    return {
      "env.proxy_log": (level = 0, message = 0, size = 0) => {
        this.#around.logs.push({ level, message: this.#text(message, size) });
        return STATUS.ok;
      },
      "env.proxy_get_current_time_nanoseconds": (out = 0) => {
        this.#read(out, 8);
        this.#memory().writeBigUInt64LE(this.#around.now(), out);
        return STATUS.ok;
      },
      "env.proxy_set_tick_period_milliseconds": (milliseconds = 0) => {
        const stream = this.#streamNow("proxy_set_tick_period_milliseconds");
        const root = stream.kind === "root" ? stream : stream.root;
        root.tickMilliseconds = milliseconds;
        return STATUS.ok;
      },
      "env.proxy_set_effective_context": (context = 0) => {
        this.#streamNow("proxy_set_effective_context");
        const stream = this.#contexts.get(context);
        if (!stream) return STATUS.badArgument;
        this.#stream = stream;
        return STATUS.ok;
      },
      ...this.#wasiFunctions(),
      ...this.#dataFunctions(),
      ...this.#metricFunctions(),
      ...this.#connectionFunctions(),
      ...this.#requestFunctions(),
    };
  }

  #dataFunctions(): Record<string, HostFunction> {
    return {
      "env.proxy_get_property": (path = 0, size = 0, outBytes = 0, outSize = 0) => {
        const stream = this.#streamNow("proxy_get_property");
        const value = stream.properties[this.#text(path, size)];
        if (typeof value === "object") return this.#giveBytes(value, outBytes, outSize);
        return this.#giveText(value, outBytes, outSize);
      },
      "env.proxy_get_shared_data": (key = 0, size = 0, outBytes = 0, outSize = 0, outCas = 0) => {
        const found = this.#around.shared.get(this.#read(key, size));
        if (!found) return STATUS.notFound;
        this.#giveBytes(found.value, outBytes, outSize);
        this.#writeWord(outCas, found.cas);
        return STATUS.ok;
      },
      "env.proxy_set_shared_data": (key = 0, size = 0, value = 0, valueSize = 0, cas = 0) => {
        const bytes = this.#read(value, valueSize);
        return this.#around.shared.set(this.#read(key, size), bytes, cas >>> 0);
      },
      "env.proxy_get_buffer_bytes": (
        buffer = 0,
        start = 0,
        size = 0,
        outBytes = 0,
        outSize = 0,
      ) => {
        const bytes = this.#buffer(buffer);
        if (!bytes) return STATUS.badArgument;
        return this.#giveBytes(bytes.subarray(start, start + size), outBytes, outSize);
      },
    };
  }

  #metricFunctions(): Record<string, HostFunction> {
    return {
      "env.proxy_define_metric": (type = 0, name = 0, size = 0, out = 0) => {
        if (type !== 0) throw new GuestError(`metric of type ${type} is no counter`);
        const counter = this.#text(name, size);
        this.#around.counters.set(counter, this.#around.counters.get(counter) ?? 0);
        this.#writeWord(out, this.#metrics.push(counter) - 1);
        return STATUS.ok;
      },
      "env.proxy_increment_metric": (metric = 0, by = 0) => {
        const counter = this.#metrics[metric];
        if (counter === undefined) throw new GuestError(`metric ${metric} is not defined`);
        const value = this.#around.counters.get(counter) ?? 0;
        this.#around.counters.set(counter, value + Number(by));
        return STATUS.ok;
      },
    };
  }

  #connectionFunctions(): Record<string, HostFunction> {
    return {
      "env.proxy_call_foreign_function": (name = 0, nameSize = 0, argument = 0, size = 0) => {
        const stream = this.#streamNow("proxy_call_foreign_function");
        const called = this.#text(name, nameSize);
        if (called !== "set_envoy_filter_state" || stream.kind !== "connection") {
          throw new GuestError(`foreign function ${called} on a ${stream.kind} context`);
        }
        const { path, value, span } = filterStateFromArgument(this.#read(argument, size));
        stream.filterState.set(path, { value, span });
        return STATUS.ok;
      },
      "env.proxy_close_stream": (type = 0) => {
        const stream = this.#streamNow("proxy_close_stream");
        if (stream.kind !== "connection" || type !== 2) {
          throw new GuestError(`stream ${type} of a ${stream.kind} context closed`);
        }
        stream.closed = true;
        return STATUS.ok;
      },
    };
  }

  #requestFunctions(): Record<string, HostFunction> {
    return {
      "env.proxy_get_header_map_value": (
        map = 0,
        name = 0,
        size = 0,
        outBytes = 0,
        outSize = 0,
      ) => {
        if (map !== 0) throw new GuestError(`header map ${map} is not the request's`);
        const { headers } = this.#request("proxy_get_header_map_value");
        return this.#giveText(headers[this.#text(name, size)], outBytes, outSize);
      },
      "env.proxy_send_local_response": (
        status = 0,
        details = 0,
        detailsSize = 0,
        body = 0,
        bodySize = 0,
        headers = 0,
        headersSize = 0,
      ) => {
        const stream = this.#request("proxy_send_local_response");
        if (stream.response) throw new GuestError("a second local response to one request");
        this.#read(details, detailsSize);
        const map = headersFromPairs(this.#read(headers, headersSize));
        const response: LocalResponse = { status, headers: map, body: this.#read(body, bodySize) };
        stream.response = response;
        return STATUS.ok;
      },
    };
  }

  #streamNow(name: string): Stream {
    if (!this.#stream) throw new GuestError(`${name} outside of a callback`);
    return this.#stream;
  }

  #request(name: string): RequestStream {
    const stream = this.#streamNow(name);
    if (stream.kind !== "request") throw new GuestError(`${name} on a ${stream.kind} context`);
    return stream;
  }

  /** Buffer types: 0 the request's body, 7 the plugin's configuration. */
  #buffer(type: number): Buffer | undefined {
    const stream = this.#streamNow("proxy_get_buffer_bytes");
    if (type === 0 && stream.kind === "request") return stream.body;
    return type === 7 && stream.kind === "root" ? stream.configuration : undefined;
  }
}

/** The serialized form of a header map: count, sizes, then NUL-ended names and values. */
function headersFromPairs(bytes: Buffer): Record<string, string> {
  if (bytes.length === 0) return {};
  const headers: Record<string, string> = {};
  const count = bytes.readUInt32LE(0);
  let offset = 4 + count * 8;
  const take = (size: number): string => {
    const text = bytes.toString("utf8", offset, offset + size);
    if (bytes[offset + size] !== 0) throw new GuestError("header pair does not end with NUL");
    offset += size + 1;
    return text;
  };
  for (let i = 0; i < count; i++) {
    const name = take(bytes.readUInt32LE(4 + i * 8));
    headers[name] = take(bytes.readUInt32LE(8 + i * 8));
  }
  if (offset !== bytes.length) throw new GuestError("bytes after the header pairs");
  return headers;
}
