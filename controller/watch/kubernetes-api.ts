// Requests to the API server of a kubeconfig, or of the cluster that the controller runs in.
// kubeconfig/load.ts reads the file, kubeconfig/credentials.ts authenticates requests.

import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { agentFor } from "../kubeconfig/agent.ts";
import { ApiFailure } from "../kubeconfig/api-failure.ts";
import { Credentials } from "../kubeconfig/credentials.ts";
import { ProxyError } from "../kubeconfig/proxy-connection.ts";
import type { Api, ApiAnswer } from "./list-watch-request.ts";

/** Milliseconds of silence after which the kernel probes whether the other side is still there. */
const TCP_KEEPALIVE_MS = 15_000;

export interface ApiRequest {
  method: "GET" | "POST" | "PATCH";
  /** Below the server's own path; starts with a slash. */
  path: string;
  query?: Record<string, string>;
  /** JSON, and its content type. */
  body?: { type: string; text: string };
  /** Ends the request, and the body's stream too. */
  signal: AbortSignal;
}

interface Present {
  access: ApiAccess;
  credentials: Credentials;
}

export class KubernetesApi implements Api {
  readonly #load: () => ApiAccess;
  readonly #userAgent: string;
  #agent: { way: string; agent: http.Agent } | undefined;
  #present: Present | undefined;
  #server = "";

  /**
   * Calls `load` now, and again after the server refused the credentials: they may have been
   * renewed. Throws what `load` throws.
   */
  constructor(load: () => ApiAccess, userAgent: string) {
    this.#load = load;
    this.#userAgent = userAgent;
    this.#present = this.#loaded();
  }

  get server(): string {
    return this.#server;
  }

  /**
   * Makes the credentials now: a plugin that prompts the user needs more time than a request has.
   * Rejects with an ApiFailure "credentials".
   */
  async prepare(): Promise<void> {
    await this.#options("GET", undefined);
  }

  async get(path: string, query: Record<string, string>, signal: AbortSignal): Promise<ApiAnswer> {
    return this.send({ method: "GET", path, query, signal });
  }

  /** Resolves for any HTTP status. Rejects when there is no answer. */
  async send(asked: ApiRequest): Promise<ApiAnswer> {
    const options = await this.#options(asked.method, asked.body);
    const query = new URLSearchParams(asked.query).toString();
    const url = new URL(`${this.server}${asked.path}${query === "" ? "" : `?${query}`}`);
    const signed = { ...options, signal: asked.signal };
    const response = await responseTo(url, signed, asked.body?.text).catch((error) => {
      this.#reload();
      throw error;
    });
    if (response.statusCode === 401) this.#refused();
    return {
      status: response.statusCode ?? 0,
      retryAfterMs: Number(response.headers["retry-after"] ?? 0) * 1_000 || 0,
      body: response,
    };
  }

  #refused(): void {
    this.#present?.credentials.refused();
    this.#reload();
  }

  /** Reads the file again; cached parts stay in use unless the file now says something else. */
  #reload(): void {
    try {
      const access = this.#load();
      if (JSON.stringify(access) === JSON.stringify(this.#present?.access)) return;
    } catch {
      // The next request reports what is wrong.
    }
    this.#present = undefined;
  }

  #loaded(): Present {
    const access = this.#load();
    this.#server = access.server;
    return { access, credentials: new Credentials(access) };
  }

  async #options(
    method: ApiRequest["method"],
    body: ApiRequest["body"],
  ): Promise<https.RequestOptions> {
    this.#present ??= this.#loaded();
    const { access, credentials } = this.#present;
    try {
      const { headers, tls } = await credentials.forRequest();
      const own = { accept: "application/json", "user-agent": this.#userAgent };
      const content = body && {
        "content-type": body.type,
        "content-length": Buffer.byteLength(body.text),
      };
      const agent = this.#agentFor(access);
      return { method, agent, headers: { ...own, ...content, ...headers }, ...tls };
    } catch (error) {
      this.#refused();
      const message = `The credentials for ${this.server}: ${(error as Error).message}`;
      throw new ApiFailure("credentials", message, `Check the user of ${access.source}.`);
    }
  }

  /** Returns the same agent for all requests, until the way to the API server changes. */
  #agentFor({ server, proxy }: ApiAccess): http.Agent {
    const way = `${server} ${proxy?.href}`;
    if (this.#agent?.way !== way) this.#agent = { way, agent: agentFor(server, proxy) };
    return this.#agent.agent;
  }
}

async function responseTo(
  url: URL,
  options: https.RequestOptions,
  body: string | undefined,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "http:" ? http.request : https.request;
  const asked = send(url, options, resolve);
  asked.on("error", (error) => reject(error instanceof ProxyError ? throughProxy(error) : error));
  asked.on("socket", (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
  asked.end(body);
  return promise;
}

function throughProxy({ message }: ProxyError): ApiFailure {
  const text = `The proxy on the way to the API server, ${message}.`;
  const hint = "Check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY.";
  return new ApiFailure("unreachable", text, hint);
}
