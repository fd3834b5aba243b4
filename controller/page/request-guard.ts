// A request's method and headers → why the live page does not answer it. The page has no login: it
// keeps others out because it listens on this machine only. So another web page that is open in a
// browser on this machine must not be able to read it either, under a name that resolves to
// 127.0.0.1 (DNS rebinding), and no request may change anything.

import type { IncomingMessage } from "node:http";
import { isIPv4 } from "node:net";
import { type Answer, TEXT } from "../http/answer.ts";

/** Returns undefined when the request may be answered. */
export function refusalOf({ method, headers }: Pick<IncomingMessage, "method" | "headers">) {
  if (method !== "GET" && method !== "HEAD") {
    return refusal(405, "This page is read-only: GET and HEAD only.", { allow: "GET, HEAD" });
  }
  if (!isThisMachine(headers.host ?? "")) {
    return refusal(403, "Open this page as localhost, 127.0.0.1 or [::1].");
  }
  if (headers["sec-fetch-site"] === "cross-site" && headers["sec-fetch-mode"] !== "navigate") {
    return refusal(403, "Other sites may link to this page, but not read it.");
  }
  return undefined;
}

/** Accepts any port: ssh -L and kubectl port-forward choose their own. */
function isThisMachine(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  if (name === "localhost" || name === "[::1]") return true;
  return isIPv4(name) && name.startsWith("127.");
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Answer {
  return { status, type: TEXT, body: `${message}\n`, headers };
}
