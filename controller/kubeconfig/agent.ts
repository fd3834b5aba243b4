// The kept connections to an API server, by their parameters including certificates, so that a
// renewed certificate gets a new connection. Through a proxy where there is one.

import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { connectThrough } from "./proxy-connection.ts";

/**
 * Returns an agent that keeps its connections to `server`, a URL; through `proxy`, unless that is
 * undefined.
 */
export function agentFor(server: string, proxy: URL | undefined): http.Agent {
  const isSecure = server.startsWith("https:");
  if (!proxy) return new (isSecure ? https : http).Agent({ keepAlive: true });
  return isSecure ? new SecureProxyAgent(proxy) : new PlainProxyAgent(proxy);
}

/** Called once, with an error or a stream. Node's types do not allow an error without a stream. */
type Done = ((error: Error | null, stream: Duplex) => void) | undefined;

/** TLS with the API server, inside a connection that the proxy makes. */
class SecureProxyAgent extends https.Agent {
  readonly #proxy: URL;

  constructor(proxy: URL) {
    super({ keepAlive: true });
    this.#proxy = proxy;
  }

  override createConnection(options: https.RequestOptions, done?: Done): undefined {
    const host = options.host ?? "";
    const servername = options.servername || (isIP(host) === 0 ? host : "");
    answer(this.#proxy, options, done, (socket) => {
      return connectTls({ ...options, socket, servername } as ConnectionOptions);
    });
  }
}

class PlainProxyAgent extends http.Agent {
  readonly #proxy: URL;

  constructor(proxy: URL) {
    super({ keepAlive: true });
    this.#proxy = proxy;
  }

  override createConnection(options: http.ClientRequestArgs, done?: Done): undefined {
    answer(this.#proxy, options, done, (socket) => socket);
  }
}

function answer(
  proxy: URL,
  { host, port, ca, rejectUnauthorized }: https.RequestOptions,
  done: Done,
  wrap: (socket: Duplex) => Duplex,
): void {
  const trust = { ca, rejectUnauthorized };
  connectThrough(proxy, { host: host ?? "", port: Number(port) }, trust)
    .then(wrap)
    .then(
      (socket) => done?.(null, socket),
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    );
}
