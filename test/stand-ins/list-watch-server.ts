// A real HTTP server on loopback that speaks the list and watch protocol of one collection of
// Services, and misbehaves where a test wants that.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ApiAccess } from "../../controller/kubeconfig/access.ts";
import { accessFromText } from "../../controller/kubeconfig/load.ts";

interface Metadata {
  name: string;
  namespace: string;
  resourceVersion: string;
}
type Spec = { clusterIP: string; ports?: object[] };
type Json = { metadata: Metadata; spec: Spec };
type Told = { type: string; object: object; version: number };

/** Answers one request in place of the server's own answer. */
export type Misbehaviour = (response: ServerResponse) => void;

export function status(code: number, message: string, headers = {}): Misbehaviour {
  return (response) => refuse(response, code, message, headers);
}

function refuse(response: ServerResponse, code: number, message: string, headers = {}): void {
  response.writeHead(code, headers).end(JSON.stringify({ kind: "Status", code, message }));
}

/** Sends `text` and then, if told so, breaks the connection. */
export function sends(text: string, then: "end" | "cut" | "stay" = "stay"): Misbehaviour {
  return (response) => {
    response.writeHead(200);
    response.write(text, () => {
      if (then === "end") response.end();
      if (then === "cut") response.destroy();
    });
  };
}

export function line(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export class TestServer {
  readonly requests: URLSearchParams[] = [];
  /** For the next requests, in order; then the server answers as it should. */
  readonly misbehaviours: Misbehaviour[] = [];
  hasStreamingList = true;
  readonly #objects = new Map<string, Json>();
  #told: Told[] = [];
  #version = 100;
  /** Versions before this one are forgotten. */
  #oldest = 0;
  readonly #watches = new Set<ServerResponse>();
  readonly #pages = new Map<string, Json[]>();
  readonly #http = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<TestServer> {
    const server = new TestServer();
    server.#http.listen(0, "127.0.0.1");
    await once(server.#http, "listening");
    return server;
  }

  access(): ApiAccess {
    const { port } = this.#http.address() as AddressInfo;
    return accessFromText(`
clusters: [{name: test, cluster: {server: "http://127.0.0.1:${port}"}}]
contexts: [{name: test, context: {cluster: test}}]
current-context: test
`);
  }

  get names(): string[] {
    return [...this.#objects.keys()].sort();
  }

  /** "name clusterIP" of each, sorted. */
  get facts(): string[] {
    const objects = [...this.#objects.values()];
    return objects.map(({ metadata, spec }) => `${metadata.name} ${spec.clusterIP}`).sort();
  }

  get version(): string {
    return `${this.#version}`;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  put(name: string, spec: Spec = { clusterIP: "10.96.0.1" }): void {
    const type = this.#objects.has(name) ? "MODIFIED" : "ADDED";
    const object = this.#stamped(name, spec);
    this.#objects.set(name, object);
    this.#tell(type, object);
  }

  delete(name: string): void {
    const spec = this.#objects.get(name)?.spec;
    if (spec && this.#objects.delete(name)) this.#tell("DELETED", this.#stamped(name, spec));
  }

  #stamped(name: string, spec: Spec): Json {
    this.#version += 1;
    return { metadata: { name, namespace: "shop", resourceVersion: this.version }, spec };
  }

  #tell(type: string, object: object): void {
    this.#told.push({ type, object, version: this.#version });
    this.sendRaw(line(type, object));
  }

  bookmark(): void {
    this.sendRaw(line("BOOKMARK", { metadata: { resourceVersion: this.version } }));
  }

  /** To all open watches. */
  sendRaw(text: string): void {
    for (const watch of this.#watches) watch.write(text);
  }

  /** Ends all open watches as a server does in order, or as a broken network does. */
  endWatches(how: "end" | "cut"): void {
    for (const watch of this.#watches) how === "end" ? watch.end() : watch.destroy();
    this.#watches.clear();
  }

  /** Forgets all events so far; a watch from before now gets 410. */
  compact(): void {
    this.#oldest = this.#version;
    this.#told = [];
    this.#pages.clear();
  }

  async stop(): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const query = new URL(request.url ?? "", "http://test").searchParams;
    this.requests.push(query);
    const misbehaviour = this.misbehaviours.shift();
    if (misbehaviour) misbehaviour(response);
    else if (query.has("sendInitialEvents")) this.#streamList(response);
    else if (query.has("watch")) this.#watch(response, Number(query.get("resourceVersion")));
    else this.#list(response, query);
  }

  #streamList(response: ServerResponse): void {
    if (!this.hasStreamingList) {
      const message = "sendInitialEvents is forbidden for watch unless the WatchList gate is on";
      refuse(response, 422, message);
      return;
    }
    response.writeHead(200);
    for (const object of this.#objects.values()) response.write(line("ADDED", object));
    const annotations = { "k8s.io/initial-events-end": "true" };
    const metadata = { resourceVersion: this.version, annotations };
    response.write(line("BOOKMARK", { metadata }));
    this.#keep(response);
  }

  #watch(response: ServerResponse, from: number): void {
    if (from < this.#oldest) {
      refuse(response, 410, `too old resource version: ${from}`);
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    for (const { type, object, version } of this.#told) {
      if (version > from) response.write(line(type, object));
    }
    this.#keep(response);
  }

  #keep(response: ServerResponse): void {
    this.#watches.add(response);
    response.once("close", () => this.#watches.delete(response));
  }

  /** As the API does: all pages show the state at the time of the first. */
  #list(response: ServerResponse, query: URLSearchParams): void {
    const token = query.get("continue");
    const rest = token === null ? [...this.#objects.values()] : this.#pages.get(token);
    if (!rest) {
      refuse(response, 410, "The continue token is too old");
      return;
    }
    const limit = Number(query.get("limit"));
    const next = rest.length > limit ? `${this.#version}-${this.requests.length}` : "";
    if (next !== "") this.#pages.set(next, rest.slice(limit));
    const metadata = { resourceVersion: this.version, continue: next };
    response.end(JSON.stringify({ metadata, items: rest.slice(0, limit) }));
  }
}
