// The commands' end of control.sock.

import { request } from "node:http";
import type { ControlError } from "../daemon/control-api.ts";

/** The controller said no, or is not there; `message` is for the person at the terminal. */
export class ControlClientError extends Error {
  override readonly name = "ControlClientError";
}

/** One request to the controller of this run directory; rejects with ControlClientError. */
export function callController<Answer>(
  socketPath: string,
  method: "GET" | "PUT" | "DELETE",
  path: string,
  body?: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => {
        const answer = JSON.parse(text) as Answer | ControlError;
        if (response.statusCode === 200) resolve(answer as Answer);
        else reject(new ControlClientError((answer as ControlError).error));
      });
    });
    call.on("error", (error: NodeJS.ErrnoException) => {
      reject(new ControlClientError(explainUnreachable(socketPath, error)));
    });
    call.end(body);
  });
}

function explainUnreachable(socketPath: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no controller answers on ${socketPath}: does \`portico run\` use this --run-dir?`;
    case "EACCES":
      return `no permission for ${socketPath}: run this as the user that \`portico run\` runs as`;
    default:
      return `${socketPath}: ${error.message}`;
  }
}
