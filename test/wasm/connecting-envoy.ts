// Envoy's tcp_proxy while it connects one client: one attempt after another, each to where the
// connection's filter state leads at that moment, and what a plugin then reads of it. As Envoy 1.40
// was seen to do it (plugin/host/upstream.ts).

import type { ConnectionStream } from "./stream.ts";

/** What Envoy knows of a connection when it ends; nothing by default. */
export interface ConnectionEnd {
  receivedBytes?: number;
  sentBytes?: number;
  /** Until the backend had accepted; absent: it never did. */
  connectNanoseconds?: number;
  /** Envoy's response flags. */
  flags?: number;
  failure?: string;
  /** Whether a backend had accepted; when absent, unless the flags have a failed attempt. */
  accepted?: boolean;
}

/** Filter state from which the ORIGINAL_DST cluster takes the address to connect to. */
export const ORIGINAL_DESTINATION = "envoy.network.transport_socket.original_dst_address";
/** Filter state from which tcp_proxy takes the cluster of an attempt, if it is set. */
export const CLUSTER = "envoy.tcp_proxy.cluster";
/** Of its response flags: an attempt has failed. */
const FLAG_CONNECTION_FAILURE = 0x20;
/** Where it connects from. */
const LOCAL_ADDRESS = "10.1.1.10:50000";

/** A number as Envoy gives it to a plugin. */
function eightBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export class ConnectingEnvoy {
  readonly #stream: ConnectionStream;
  /** The backends of all attempts, in order. */
  readonly attempted: string[] = [];

  constructor(stream: ConnectionStream) {
    this.#stream = stream;
  }

  /** Where the next attempt would go: a backend, or the cluster that refuses. */
  get next(): string {
    const cluster = this.#stream.filterState.get(CLUSTER)?.value;
    if (cluster !== undefined) return cluster;
    return this.#stream.filterState.get(ORIGINAL_DESTINATION)?.value ?? "";
  }

  /** Whether the plugin has closed the client's connection. */
  get isClosed(): boolean {
    return this.#stream.closed;
  }

  /** An attempt begins; returns the backend. */
  attempt(): string {
    this.attempted.push(this.next);
    const { properties } = this.#stream;
    properties["xds\0cluster_name"] = this.#stream.filterState.get(CLUSTER)?.value ?? "backends";
    properties["upstream\0request_attempt_count"] = eightBytes(this.attempted.length);
    return this.next;
  }

  /** The attempt fails, with Envoy's text; "" for its connect_timeout. */
  fail(reason = "delayed connect error: Connection refused"): void {
    const { properties } = this.#stream;
    properties["upstream\0address"] = this.attempted.at(-1) ?? "";
    properties["upstream\0transport_failure_reason"] = reason;
    properties["response\0flags"] = eightBytes(FLAG_CONNECTION_FAILURE);
  }

  /** The backend of the attempt accepts. */
  accept(): void {
    const { properties } = this.#stream;
    properties["upstream\0address"] = this.attempted.at(-1) ?? "";
    properties["upstream\0local_address"] = LOCAL_ADDRESS;
  }

  /** The client's connection ends. */
  end(how: ConnectionEnd): void {
    const { properties } = this.#stream;
    properties["request\0total_size"] = eightBytes(how.receivedBytes ?? 0);
    properties["response\0total_size"] = eightBytes(how.sentBytes ?? 0);
    if (how.flags !== undefined) properties["response\0flags"] = eightBytes(how.flags);
    if (how.failure !== undefined) {
      properties["upstream\0transport_failure_reason"] = how.failure;
    }
    if (how.connectNanoseconds !== undefined) {
      properties["upstream\0cx_pool_ready_duration"] = eightBytes(how.connectNanoseconds);
    }
    const hasFailed = ((how.flags ?? 0) & FLAG_CONNECTION_FAILURE) !== 0;
    if (!(how.accepted ?? !hasFailed)) delete properties["upstream\0local_address"];
  }
}
