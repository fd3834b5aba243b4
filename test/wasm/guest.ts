// One VM: the compiled module, its memory, and the host functions it imports. Strict where Envoy is
// lenient: an import that is not here, a pointer outside of memory, or a function called on a
// context of the wrong kind is an error of the test and no status.

import { filterStateFromArgument } from "./filter-state.ts";
import type { SharedData } from "./shared-data.ts";
import { STATUS } from "./status.ts";
import type { LocalResponse, RequestStream, Stream } from "./stream.ts";
import { type WasmModule, WebAssembly } from "./webassembly.ts";

/** The guest did what a good guest never does. */
export class GuestError extends Error {
  override readonly name = "GuestError";
}

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
  /** As the guest asked for; 0 for no ticks. */
  tickMilliseconds = 0;
  #stream: Stream | undefined;

  private constructor(around: Surroundings) {
    this.#around = around;
  }

  static async start(module: WasmModule, around: Surroundings): Promise<Guest> {
    const guest = new Guest(around);
    const instance = await WebAssembly.instantiate(module, guest.#imports(module));
    guest.#exports = instance.exports;
    return guest;
  }

  get memoryBytes(): number {
    return this.#memory().length;
  }

  /** Calls a callback of a context; undefined when the module does not export it. */
  call(stream: Stream, name: string, ...values: number[]): number | undefined {
    const callback = this.#exports[name] as Callback | undefined;
    if (!callback) return undefined;
    this.#stream = stream;
    try {
      return callback(...values);
    } finally {
      this.#stream = undefined;
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

  #writeWord(pointer: number, value: number): void {
    this.#read(pointer, 4);
    this.#memory().writeUInt32LE(value >>> 0, pointer >>> 0);
  }

  /** As copyToPointerSize: no bytes, no allocation, pointer 0. */
  #giveBytes(bytes: Buffer, outPointer: number, outSize: number): number {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = (this.#exports.malloc as Callback)(bytes.length) >>> 0;
      this.#read(pointer, bytes.length);
      bytes.copy(this.#memory(), pointer);
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
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      const known = this.#hostFunctions()[`${from}.${name}`];
      if (!known || kind !== "function") throw new GuestError(`unknown import ${from}.${name}`);
      imports[from] ??= {};
      imports[from][name] = (...values) => this.#around.fault?.(name) ?? known(...values);
    }
    return imports;
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
        this.#streamNow("proxy_set_tick_period_milliseconds");
        this.tickMilliseconds = milliseconds;
        return STATUS.ok;
      },
      "wasi_snapshot_preview1.clock_time_get": (clock = 0, _precision = 0, out = 0) => {
        if (clock !== 1) throw new GuestError(`clock ${clock} is not the monotonic one`);
        this.#read(out, 8);
        this.#memory().writeBigUInt64LE(this.#around.steadyNow(), out >>> 0);
        return 0;
      },
      "wasi_snapshot_preview1.random_get": (out = 0, size = 0) => {
        this.#read(out, size);
        for (let i = 0; i < size; i++) this.#memory()[out + i] = this.#around.random() & 0xff;
        return 0;
      },
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
