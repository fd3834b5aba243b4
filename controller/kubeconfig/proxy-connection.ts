// A connection to an address through a proxy: HTTP's CONNECT, in plain text or inside TLS, and
// SOCKS5 (RFC 1928, with names and passwords of RFC 1929).

import { once } from "node:events";
import { request } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, getCACertificates } from "node:tls";

/** Milliseconds within which a proxy must make the connection. */
const PATIENCE_MS = 20_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
const SOCKS_PORT = 1080;

/** The proxy is not there, or refuses. The message names it, without its password. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
}

/** How to verify an API server; also used for a proxy of scheme https. */
type Trust = Pick<ConnectionOptions, "ca" | "rejectUnauthorized">;

/**
 * Resolves to a connection on which the other side has not sent a byte yet. Rejects with a
 * ProxyError, after `patienceMs` at the latest.
 */
export async function connectThrough(
  proxy: URL,
  { host, port }: Target,
  trust: Trust,
  patienceMs = PATIENCE_MS,
): Promise<Socket> {
  const signal = AbortSignal.timeout(patienceMs);
  let socket: Socket | undefined;
  try {
    socket = await toProxy(proxy, trust, signal);
    const isSocks = proxy.protocol.startsWith("socks5");
    await (isSocks ? throughSocks : throughHttp)(socket, proxy, { host, port }, signal);
    return socket;
  } catch (error) {
    socket?.destroy();
    const reason = signal.aborted
      ? `no answer within ${patienceMs / 1_000} s`
      : (error as Error).message;
    throw new ProxyError(`${proxy.protocol}//${proxy.host}: ${reason}`, { cause: error });
  }
}

async function toProxy(proxy: URL, trust: Trust, signal: AbortSignal): Promise<Socket> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const port = Number(proxy.port) || (DEFAULT_PORTS[proxy.protocol] ?? SOCKS_PORT);
  const isTls = proxy.protocol === "https:";
  const servername = isIP(host) === 0 ? host : "";
  const socket = isTls
    ? connectTls({ host, port, servername, ...trustedToo(trust) })
    : connect({ host, port });
  await once(socket, isTls ? "secureConnect" : "connect", { signal }).catch((error) => {
    socket.destroy();
    throw error;
  });
  return socket;
}

/** Go's clients trust only the kubeconfig's authority; this trusts the usual ones too. */
function trustedToo({ ca, rejectUnauthorized }: Trust): Trust {
  if (rejectUnauthorized === false) return { rejectUnauthorized };
  return { ca: [ca ?? [], getCACertificates("default")].flat() };
}

interface Target {
  host: string;
  port: number;
}

function credentialsOf(proxy: URL): [name: string, password: string] | undefined {
  if (proxy.username === "" && proxy.password === "") return undefined;
  return [decodeURIComponent(proxy.username), decodeURIComponent(proxy.password)];
}

async function throughHttp(
  socket: Socket,
  proxy: URL,
  { host, port }: Target,
  signal: AbortSignal,
): Promise<void> {
  const path = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const own = credentialsOf(proxy);
  const basic = own && `Basic ${Buffer.from(own.join(":")).toString("base64")}`;
  const headers = { host: path, ...(basic && { "proxy-authorization": basic }) };
  const asked = request({ method: "CONNECT", path, headers, createConnection: () => socket });
  // An error after the time limit has no other listener, and would end the process.
  asked.on("error", () => {});
  asked.end();
  const [answer, , head] = await once(asked, "connect", { signal });
  const status: number = answer.statusCode;
  if (status < 200 || status > 299) {
    throw new Error(`it answers ${status} ${answer.statusMessage} to CONNECT ${path}`);
  }
  if (head.length > 0) socket.unshift(head);
}

const SOCKS_REFUSALS: Readonly<Record<number, string>> = {
  1: "general failure",
  2: "not allowed by its rules",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
};

async function throughSocks(
  socket: Socket,
  proxy: URL,
  { host, port }: Target,
  signal: AbortSignal,
): Promise<void> {
  const own = credentialsOf(proxy);
  socket.write(own ? Uint8Array.of(5, 2, 0, 2) : Uint8Array.of(5, 1, 0));
  const [version, method] = await bytesFrom(socket, 2, signal);
  if (version !== 5) throw new Error("it does not speak SOCKS5");
  if (method === 2 && own) {
    const [name, password] = own.map((text) => Buffer.from(text)) as [Buffer, Buffer];
    const sizes = [Uint8Array.of(1, name.length), Uint8Array.of(password.length)] as const;
    socket.write(Buffer.concat([sizes[0], name, sizes[1], password]));
    const [, status] = await bytesFrom(socket, 2, signal);
    if (status !== 0) throw new Error("it does not accept the name and password of its URL");
  } else if (method !== 0) throw new Error("it requires a name and password: put them in its URL");
  const name = Buffer.from(host);
  const head = Uint8Array.of(5, 1, 0, 3, name.length);
  socket.write(Buffer.concat([head, name, Uint8Array.of(port >> 8, port & 255)]));
  const [, status = 1, , type] = await bytesFrom(socket, 4, signal);
  if (status !== 0) {
    const reason = SOCKS_REFUSALS[status] ?? `code ${status}`;
    throw new Error(`it cannot connect to ${host}:${port}: ${reason}`);
  }
  const [length = 0] = type === 3 ? await bytesFrom(socket, 1, signal) : [type === 4 ? 16 : 4];
  await bytesFrom(socket, length + 2, signal);
}

/** Reads exactly this many; what follows stays in the socket. */
async function bytesFrom(socket: Socket, count: number, signal: AbortSignal): Promise<Uint8Array> {
  for (;;) {
    const bytes: Buffer | null = socket.read(count);
    if (bytes?.length === count) return bytes;
    if (bytes || socket.readableEnded) throw new Error("it closes the connection");
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([
        once(socket, "readable", { signal: both }),
        once(socket, "end", { signal: both }),
      ]);
    } finally {
      over.abort();
    }
  }
}
