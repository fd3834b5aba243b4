// --page-bind-address: the text → where the live page listens. Never where others can reach it: the
// page has no login, and shows addresses, names and Pods.

import { InvalidArgumentError } from "commander";
import { cidrContains } from "../model/ip.ts";
import { parseBindAddress } from "./config-file-fields.ts";

export type PageAddress = { socketPath: string } | { address: string; port: number };

const LOOPBACK: readonly string[] = ["127.0.0.0/8", "::1/128"];

/** An absolute path names a Unix socket. Throws commander's error for what others can reach. */
export function pageAddressFromText(text: string): PageAddress {
  if (text.startsWith("/")) return { socketPath: text };
  const bind = parseBindAddress(text.replace(/^localhost:/, "127.0.0.1:"), 0);
  if (!bind || bind.port === 0) {
    throw new InvalidArgumentError("Give 127.0.0.1:PORT, [::1]:PORT, or a socket path.");
  }
  if (LOOPBACK.some((cidr) => cidrContains(cidr, bind.address))) return bind;
  throw new InvalidArgumentError(
    `${bind.address} is reachable from other machines, and the page has no login. Give ` +
      "127.0.0.1:PORT, [::1]:PORT or a socket path; for remote access use ssh -L or kubectl " +
      "port-forward.",
  );
}

/** Returns its URL, for operators. */
export function pageURL(where: PageAddress): string {
  if ("socketPath" in where) return `unix:${where.socketPath}`;
  const host = where.address.includes(":") ? `[${where.address}]` : where.address;
  return `http://${host}:${where.port}/`;
}
