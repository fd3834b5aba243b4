// The Service whose one endpoint, local to the measured node, is moved between web-a and web-b:
// from the write to the API server until a client is answered by the other Pod.

import { NODE_NAME } from "../synthetic-cluster.ts";
import type { Api } from "./api.ts";
import { nowMs } from "./client.ts";
import { PORT, serviceObject, sliceObject } from "./objects.ts";
import type { ServiceProxy } from "./service-proxy.ts";
import { WEB, type WebName } from "./world.ts";

const SERVICE = { name: "moved", clusterIP: "10.96.0.10" };
/** How long one connection may take. */
const ATTEMPT_MS = 250;
const DEADLINE_MS = 60_000;
const START_DEADLINE_MS = 240_000;
/** Before anything is programmed nothing answers at all: the next try comes soon. */
const START_ATTEMPT_MS = 50;

interface Move {
  /** From the moment when the write was sent. */
  obeyedMs: number;
  /** Until the API server had answered it. */
  writtenMs: number;
  /** Connections that failed meanwhile. */
  failed: number;
}

export class Moved {
  readonly #api: Api;
  #at: WebName = "web-a";

  constructor(api: Api) {
    this.#api = api;
  }

  async create(): Promise<void> {
    await this.#api.create(serviceObject(SERVICE));
    await this.#api.create(sliceAt(this.#at));
  }

  /** Moves the endpoint while the proxy's client connects again and again. */
  async move(proxy: ServiceProxy): Promise<Move> {
    this.#at = this.#at === "web-a" ? "web-b" : "web-a";
    const answered = this.#answered(proxy);
    const begun = nowMs();
    await this.#api.replace(sliceAt(this.#at));
    const writtenMs = nowMs() - begun;
    const { atMs, failed } = await answered;
    return { obeyedMs: atMs - begun, writtenMs, failed };
  }

  /** Moves the endpoint while no client looks. */
  async moveUnseen(): Promise<void> {
    this.#at = this.#at === "web-a" ? "web-b" : "web-a";
    await this.#api.replace(sliceAt(this.#at));
  }

  /** Until the proxy has its client answered by the present endpoint. */
  async untilObeyed(proxy: ServiceProxy): Promise<void> {
    await this.#answered(proxy);
  }

  /** The same of a proxy that is starting; milliseconds since `begun`. */
  async untilServed(proxy: ServiceProxy, begun: number): Promise<number> {
    const { atMs } = await this.#answered(proxy, START_DEADLINE_MS, START_ATTEMPT_MS);
    return atMs - begun;
  }

  /** By the present endpoint. */
  #answered(proxy: ServiceProxy, deadlineMs = DEADLINE_MS, attemptMs = ATTEMPT_MS) {
    const target = { address: SERVICE.clusterIP, port: PORT };
    const question = { ...target, name: this.#at, attemptMs, deadlineMs };
    return proxy.unlessEnded(proxy.world.client.untilAnswered(question));
  }
}

function sliceAt(name: WebName) {
  const endpoint = { address: WEB[name], node: NODE_NAME, zone: "zone-1" };
  return sliceObject(SERVICE, [endpoint]);
}
