// Whether the way to an API server leads through a proxy: proxy-url, or the environment as Go's
// clients read it (net/http ProxyFromEnvironment, golang.org/x/net/http/httpproxy). No I/O.

import { BlockList, isIP } from "node:net";

const SCHEMES = ["http:", "https:", "socks5:", "socks5h:"];

/** Returns undefined when it is not the URL of a usable proxy. */
export function proxyFromText(text: string): URL | undefined {
  const url = URL.parse(text);
  return url && SCHEMES.includes(url.protocol) && url.hostname !== "" ? url : undefined;
}

/** Returns undefined when the way to `server` needs no proxy. */
export function proxyFromEnvironment(
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): URL | undefined {
  const url = new URL(server);
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const given = env[name] || env[name.toLowerCase()] || "";
  if (given === "" || isDirect(url, env.NO_PROXY || env.no_proxy || "")) return undefined;
  return proxyFromText(given) ?? proxyFromText(`http://${given}`);
}

function isDirect(url: URL, exceptions: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || contains("127.0.0.0/8", host) || contains("::1/128", host)) {
    return true;
  }
  const items = exceptions.toLowerCase().split(",");
  return items.some((item) => matches(item.trim(), host, port));
}

/** One item of NO_PROXY: "*", an address, a CIDR, a domain; no port with "*" or a CIDR. */
function matches(item: string, host: string, port: string): boolean {
  if (item === "") return false;
  if (item === "*") return true;
  if (item.includes("/")) return contains(item, host);
  const [, bracketed, plain, itemPort] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(item) ?? [];
  if (itemPort !== undefined && itemPort !== port) return false;
  const name = bracketed ?? plain ?? item;
  if (isIP(name) !== 0) return contains(`${name}/${isIP(name) === 4 ? 32 : 128}`, host);
  if (isIP(host) !== 0 || name === "") return false;
  const domain = name.replace(/^\*(?=\.)/, "");
  return domain.startsWith(".") ? host.endsWith(domain) : `.${host}`.endsWith(`.${domain}`);
}

function contains(cidr: string, host: string): boolean {
  const family = isIP(host);
  const [address = "", length = ""] = cidr.split("/");
  if (family === 0 || isIP(address) !== family || !/^\d+$/.test(length)) return false;
  if (Number(length) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(address, Number(length), type);
  return list.check(host, type);
}
