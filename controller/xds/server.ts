// Resources in, Envoys configured: ADS (gRPC) on a Unix socket, incremental or state of the world,
// as Envoy asks. The only network I/O of xDS; connection.ts and the subscriptions decide which
// answer is due when.

import { unlink } from "node:fs/promises";
import type { Server as Listener } from "node:net";
import { Server, type ServerDuplexStream } from "@grpc/grpc-js";
import { XdsConnection } from "./connection.ts";
import { XdsRejectedError, XdsTimeoutError } from "./errors.ts";
import { loadProtos, type Protos, type Resource } from "./protos.ts";
import type { EncodedResource } from "./snapshot.ts";
import { serveUnixSocket } from "./socket.ts";
import type { Answer } from "./type-subscription.ts";
import {
  CLUSTER_TYPE,
  dependentType,
  discoveryName,
  ENDPOINTS_TYPE,
  isServed,
  LISTENER_TYPE,
} from "./type-urls.ts";
import {
  type AnyRequest,
  type AnyWireRequest,
  INCREMENTAL,
  type Protocol,
  STATE_OF_THE_WORLD,
} from "./wire.ts";

interface XdsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface XdsServerOptions {
  socketPath: string;
  log: XdsLog;
  /**
   * An Envoy asked for its listeners. When it is `fresh` it has none, and its table is empty: push
   * the table, then call admitListeners with its id. Called before `start` resolves when an Envoy
   * already waits.
   */
  onConnect?: (connection: XdsConnection) => void;
  onDisconnect?: (connection: XdsConnection) => void;
  /** An Envoy replied to what it got; `refusal` is undefined when it accepted it. */
  onReply?: (type: string, refusal: string | undefined) => void;
}

/** How many connected Envoys have what was set. 0: none is connected, so none has seen it. */
interface Acknowledged {
  envoys: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** Sends an Envoy an answer. */
type Send = (answer: Answer) => void;
type Stream<P> = P extends Protocol<infer Wire, infer _> ? ServerDuplexStream<Wire, object> : never;

export class XdsServer {
  readonly #options: XdsServerOptions;
  readonly #protos: Protos;
  readonly #server = new Server();
  #listener: Listener | undefined;
  readonly #resources = new Map<string, Map<string, EncodedResource>>();
  /** For Envoys that have none of the type, until it is set. */
  readonly #first = new Map<string, ReadonlyMap<string, EncodedResource>>();
  /** Thousands are set repeatedly, and few of them are new objects each time. */
  readonly #encoded = new WeakMap<Resource, EncodedResource>();
  readonly #streams = new Map<XdsConnection, Send>();
  readonly #waiting = new Set<() => void>();
  #lastId = 0;

  constructor(options: XdsServerOptions) {
    this.#options = options;
    this.#protos = loadProtos();
  }

  /** Listens; replaces a socket file on which nothing answers; one in use is an error. */
  async start(): Promise<void> {
    this.#server.addService(this.#protos.discoveryService, {
      StreamAggregatedResources: (stream: Stream<typeof STATE_OF_THE_WORLD>) =>
        this.#open(stream, STATE_OF_THE_WORLD),
      DeltaAggregatedResources: (stream: Stream<typeof INCREMENTAL>) =>
        this.#open(stream, INCREMENTAL),
    });
    this.#listener = await serveUnixSocket(this.#server, this.#options.socketPath);
  }

  /** Ends every stream; the Envoys keep what they have. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#server.forceShutdown();
    await unlink(this.#options.socketPath).catch(() => {});
  }

  /** Returns the connected Envoys, including those that have not asked for listeners yet. */
  connections(): readonly XdsConnection[] {
    return [...this.#streams.keys()];
  }

  /**
   * Sets what an Envoy without resources of the type gets while the type is not set. An Envoy that
   * has some keeps them until then.
   */
  setFirst(typeUrl: string, resources: readonly Resource[]): void {
    this.#first.set(typeUrl, this.#encode(resources));
  }

  /**
   * Replaces all resources of a type. Resolves once every connected Envoy that asks for them has
   * acknowledged them, and what they refer to (the filters of listeners, the endpoints of clusters:
   * set those first); an Envoy that connects later gets them too. An Envoy that is not admitted yet
   * gets no listeners, and this does not wait for it. Sends again what was set and refused before.
   * Rejects with XdsRejectedError or XdsTimeoutError; the resources stay set.
   */
  set(
    typeUrl: string,
    resources: readonly Resource[],
    timeoutMs = DEFAULT_TIMEOUT_MS,
  ): Promise<Acknowledged> {
    this.#resources.set(typeUrl, this.#encode(resources));
    for (const connection of this.connections()) connection.retry(typeUrl);
    return this.#settle(typeUrl, this.connections(), timeoutMs);
  }

  /**
   * Adds, replaces and removes some resources of a type, at a cost in proportion to these. Resolves
   * and rejects as `set` does.
   */
  change(
    typeUrl: string,
    upserts: readonly Resource[],
    removals: readonly string[],
    timeoutMs = DEFAULT_TIMEOUT_MS,
  ): Promise<Acknowledged> {
    const all = this.#resources.get(typeUrl) ?? new Map<string, EncodedResource>();
    this.#resources.set(typeUrl, all);
    const changed = this.#encode(upserts);
    for (const name of removals) all.delete(name);
    for (const [name, resource] of changed) all.set(name, resource);
    for (const connection of this.connections()) {
      connection.changed(typeUrl, [...removals, ...changed.keys()]);
      connection.retry(typeUrl);
    }
    return this.#settle(typeUrl, this.connections(), timeoutMs);
  }

  /**
   * Gives an Envoy its listeners, which were or will be set; call it again when Envoy refused them,
   * since a port in use may be free by then. Resolves and rejects as `set` does; an id that is not
   * connected (any more) gives 0 Envoys.
   */
  admitListeners(connectionId: number, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<Acknowledged> {
    const admitted = this.connections().filter(({ id }) => id === connectionId);
    for (const connection of admitted) {
      connection.admit();
      connection.retry(LISTENER_TYPE);
    }
    return this.#settle(LISTENER_TYPE, admitted, timeoutMs);
  }

  #encode(resources: readonly Resource[]): Map<string, EncodedResource> {
    const byName = new Map<string, EncodedResource>();
    for (const resource of resources) {
      const encoded = this.#encoded.get(resource) ?? this.#protos.encode(resource);
      this.#encoded.set(resource, encoded);
      byName.set(encoded.name, encoded);
    }
    return byName;
  }

  #open<Wire extends AnyWireRequest, Request extends AnyRequest>(
    stream: ServerDuplexStream<Wire, object>,
    { requestFrom, wireFrom, open }: Protocol<Wire, Request>,
  ): void {
    const lookup = (typeUrl: string, isFirst: boolean) =>
      this.#resources.get(typeUrl) ?? (isFirst ? this.#first.get(typeUrl) : undefined);
    const connection = new XdsConnection<Request>(++this.#lastId, lookup, open);
    this.#streams.set(connection, (answer) => stream.write(wireFrom(answer)));
    stream.on("data", (wire: Wire) => {
      const request = requestFrom(wire);
      if (!this.#note(request)) return;
      const asksForListeners = connection.receive(request, wire.node?.id ?? "");
      this.#received(connection, asksForListeners);
    });
    stream.on("error", () => this.#close(connection));
    stream.on("cancelled", () => this.#close(connection));
    stream.on("end", () => {
      stream.end();
      this.#close(connection);
    });
  }

  #close(connection: XdsConnection): void {
    if (!this.#streams.delete(connection)) return;
    this.#options.log.info({ node: connection.nodeId }, "Envoy disconnected");
    this.#wake();
    this.#options.onDisconnect?.(connection);
  }

  /** Logs and reports what the request says; returns whether its type is served. */
  #note({ typeUrl, refusal, nonce }: AnyRequest): boolean {
    const type = discoveryName(typeUrl);
    if (!isServed(typeUrl)) {
      this.#options.log.warn(
        { type },
        "Envoy requested a resource type that Portico does not serve",
      );
      return false;
    }
    if (refusal !== undefined) {
      this.#options.log.warn({ type, detail: refusal }, "Envoy rejected its configuration");
    }
    if (nonce !== "") this.#options.onReply?.(type, refusal);
    return true;
  }

  #received(connection: XdsConnection, asksForListeners: boolean): void {
    this.#answer(connection);
    this.#wake();
    if (!asksForListeners) return;
    this.#options.log.info({ node: connection.nodeId, fresh: connection.fresh }, "Envoy connected");
    this.#options.onConnect?.(connection);
  }

  #answer(connection: XdsConnection): void {
    const send = this.#streams.get(connection);
    for (const answer of connection.takeAnswers()) send?.(answer);
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }

  async #settle(
    typeUrl: string,
    connections: readonly XdsConnection[],
    timeoutMs: number,
  ): Promise<Acknowledged> {
    for (const connection of connections) this.#answer(connection);
    const waiting = () => connections.filter((connection) => !this.#isDone(connection, typeUrl));
    const done = await this.#until(() => waiting().length === 0, timeoutMs);
    if (!done) {
      const nodes = waiting().map(({ nodeId }) => nodeId);
      throw new XdsTimeoutError(typeUrl, nodes, timeoutMs);
    }
    return { envoys: connections.filter((connection) => this.#streams.has(connection)).length };
  }

  /** Throws Envoy's refusal. */
  #isDone(connection: XdsConnection, typeUrl: string): boolean {
    if (!this.#streams.has(connection)) return true;
    const types = [typeUrl, dependentType(typeUrl) ?? typeUrl];
    for (const type of types) {
      const refusal = connection.refusal(type);
      if (refusal) throw new XdsRejectedError(type, refusal.names, refusal.detail);
    }
    // Envoy acknowledges clusters before it asks for their endpoints.
    if (typeUrl === CLUSTER_TYPE && !connection.asksForAll(ENDPOINTS_TYPE)) return false;
    return types.every((type) => connection.isSettled(type));
  }

  /** Checks now and after every request; resolves to false when the time is up. */
  #until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        act();
      };
      const check = () => {
        try {
          if (condition()) finish(() => resolve(true));
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const timer = setTimeout(() => finish(() => resolve(false)), timeoutMs);
      this.#waiting.add(check);
      check();
    });
  }
}
