// The answer to a request, and how to send it.

import type { ServerResponse } from "node:http";

export interface Answer {
  status: number;
  /** The body's content type; see TEXT and JSON_TYPE. */
  type: string;
  body: string;
  headers?: Readonly<Record<string, string>>;
}

export const TEXT = "text/plain; charset=utf-8";
export const JSON_TYPE = "application/json";

/** Sends the whole answer, with its length, and ends the response. */
export function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.type,
    "content-length": Buffer.byteLength(answer.body),
    "x-content-type-options": "nosniff",
    ...answer.headers,
  });
  response.end(answer.body);
}
