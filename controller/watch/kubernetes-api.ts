// GET requests to the API server of a kubeconfig, or of the cluster we run in. Configuration and
// authentication are @kubernetes/client-node's; its Watch is not used, as it ends a quiet watch
// after 30 s and makes a connection pool for every request.

import { existsSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import http from "node:http";
import https from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { WatchFailure } from "./list-watch-failure.ts";
import type { Api, ApiAnswer } from "./list-watch-request.ts";

const SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/** Milliseconds of silence after which the kernel asks whether the other side is still there. */
const TCP_KEEPALIVE_MS = 15_000;

/** Throws a WatchFailure "credentials" when the file cannot be read or has no current context. */
export function kubeConfigFromFile(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    const message = `The kubeconfig ${file} cannot be read: ${(error as Error).message}`;
    throw new WatchFailure("credentials", message, "Give the path of a kubeconfig file.");
  }
  if (config.getCurrentCluster() === null) {
    const message = `The kubeconfig ${file} names no cluster in its current context`;
    throw new WatchFailure("credentials", message, "Set it: kubectl config use-context NAME.");
  }
  return config;
}

/** As a Pod's service account. Throws a WatchFailure "credentials" outside a Pod. */
export function kubeConfigInCluster(): KubeConfig {
  if (!process.env.KUBERNETES_SERVICE_HOST || !existsSync(SERVICE_ACCOUNT_TOKEN)) {
    const message = "This is no Pod with a service account";
    throw new WatchFailure("credentials", message, "Give --kubeconfig FILE or --manifests DIR.");
  }
  const config = new KubeConfig();
  config.loadFromCluster();
  return config;
}

export class KubernetesApi implements Api {
  readonly server: string;
  readonly #load: () => KubeConfig;
  readonly #userAgent: string;
  readonly #agents = {
    "http:": new http.Agent({ keepAlive: true }),
    "https:": new https.Agent({ keepAlive: true }),
  };
  #config: KubeConfig | undefined;

  /**
   * `load` is called now, and again after credentials were not accepted: they may have been
   * renewed. Throws what `load` throws.
   */
  constructor(load: () => KubeConfig, userAgent: string) {
    this.#load = load;
    this.#userAgent = userAgent;
    this.#config = load();
    this.server = serverOf(this.#config);
  }

  async get(path: string, query: Record<string, string>, signal: AbortSignal): Promise<ApiAnswer> {
    const options = await this.#requestOptions();
    const url = new URL(`${this.server}${path}?${new URLSearchParams(query)}`);
    const response = await responseTo(url, { ...options, signal });
    if (response.statusCode === 401) this.#config = undefined;
    return {
      status: response.statusCode ?? 0,
      retryAfterMs: Number(response.headers["retry-after"] ?? 0) * 1_000 || 0,
      body: response,
    };
  }

  /** TLS options, credentials and the connections to use. */
  async #requestOptions(): Promise<https.RequestOptions> {
    const options: https.RequestOptions = {
      headers: { accept: "application/json", "user-agent": this.#userAgent },
    };
    try {
      this.#config ??= this.#load();
      await this.#config.applyToHTTPSOptions(options);
    } catch (error) {
      this.#config = undefined;
      if (error instanceof WatchFailure) throw error;
      const message = `The credentials for ${this.server}: ${(error as Error).message}`;
      throw new WatchFailure("credentials", message, "Look at the user of the kubeconfig.");
    }
    // The library's agent keeps the certificates of the first request for ever. Ours takes them
    // from the options of each; but only the library's knows the way through a proxy.
    const isProxied = this.#config.getCurrentCluster()?.proxyUrl !== undefined;
    const protocol = this.server.startsWith("http:") ? "http:" : "https:";
    return isProxied ? options : { ...options, agent: this.#agents[protocol] };
  }
}

function serverOf(config: KubeConfig): string {
  const server = config.getCurrentCluster()?.server ?? "";
  if (URL.canParse(server)) return server.replace(/\/+$/, "");
  const message = `The API server's address ${JSON.stringify(server)} is not a URL`;
  throw new WatchFailure("credentials", message, "Look at clusters[].cluster.server.");
}

async function responseTo(url: URL, options: https.RequestOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "http:" ? http.get : https.get;
  const asked = send(url, options, resolve);
  asked.on("error", reject);
  asked.on("socket", (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
  return promise;
}
