// --page-bind-address: the text → where the live page listens. Nowhere that others can reach: it
// has no login, and tells addresses, names and Pods.

import { InvalidArgumentError } from "commander";
import { parseBindAddress } from "../config-file-fields.ts";
import { cidrContains } from "../model/ip.ts";

export type PageAddress = { socketPath: string } | { address: string; port: number };

const LOOPBACK: readonly string[] = ["127.0.0.0/8", "::1/128"];

/** An absolute path is a Unix socket's. Throws commander's error for anything others can reach. */
export function pageAddressFromText(text: string): PageAddress {
  if (text.startsWith("/")) return { socketPath: text };
  const bind = parseBindAddress(text.replace(/^localhost:/, "127.0.0.1:"), 0);
  if (!bind || bind.port === 0) {
    throw new InvalidArgumentError("Give 127.0.0.1:PORT, [::1]:PORT, or the path of a socket.");
  }
  if (LOOPBACK.some((cidr) => cidrContains(cidr, bind.address))) return bind;
  throw new InvalidArgumentError(
    `${bind.address} can be reached by others, and the page has no login. Give 127.0.0.1:PORT, ` +
      "[::1]:PORT or the path of a socket; from elsewhere, go through ssh -L or kubectl " +
      "port-forward.",
  );
}

/** For people. */
export function pageURL(where: PageAddress): string {
  if ("socketPath" in where) return `unix:${where.socketPath}`;
  const host = where.address.includes(":") ? `[${where.address}]` : where.address;
  return `http://${host}:${where.port}/`;
}
