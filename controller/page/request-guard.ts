// A request's method and headers → why the live page does not answer it. It has no login: what
// keeps others out is that it listens on this machine alone. So a web page that a person of this
// machine has open must not be able to read it either, under a name of its own that it lets resolve
// to 127.0.0.1 (DNS rebinding), and nothing may be changed through it.

import type { IncomingMessage } from "node:http";
import { isIPv4 } from "node:net";
import { type Answer, TEXT } from "../observe/http-endpoint.ts";

/** Undefined when it may be answered. */
export function refusalOf({ method, headers }: Pick<IncomingMessage, "method" | "headers">) {
  if (method !== "GET" && method !== "HEAD") {
    return refusal(405, "This page is for reading: GET and HEAD only.", { allow: "GET, HEAD" });
  }
  if (!isThisMachine(headers.host ?? "")) {
    return refusal(403, "Ask for this page as localhost, 127.0.0.1 or [::1].");
  }
  if (headers["sec-fetch-site"] === "cross-site" && headers["sec-fetch-mode"] !== "navigate") {
    return refusal(403, "Another site may link to this page, and not read it.");
  }
  return undefined;
}

/** With any port: ssh -L and kubectl port-forward choose their own. */
function isThisMachine(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  if (name === "localhost" || name === "[::1]") return true;
  return isIPv4(name) && name.startsWith("127.");
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Answer {
  return { status, type: TEXT, body: `${message}\n`, headers };
}
