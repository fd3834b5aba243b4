// The controller's end of control.sock: status for people, and the plugin to run. Reading and
// answering only; what a request does is handed in.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Explanation } from "../explain/explanation.ts";
import type { AskedTexts } from "../explain/question.ts";
import { recordOf } from "../model/json.ts";
import { listenOnUnixSocket } from "../unix-socket.ts";
import { MAX_PLUGIN_BYTES } from "../xds/check-plugin.ts";
import {
  type ControlError,
  type ControllerStatus,
  DRAIN_PATH,
  ENVOY_PATH,
  type EnvoyReplacement,
  type EnvoyStatus,
  EXPLAIN_PATH,
  PLUGIN_PATH,
  type PluginStatus,
  STATUS_PATH,
} from "./control-api.ts";

/** The request is understood and cannot be done; `message` is for the person who asked. */
export class ControlRefusal extends Error {
  override readonly name = "ControlRefusal";
}

export interface ControlHandlers {
  status(): ControllerStatus;
  /** Rejects with ControlRefusal when the module is not taken; the old one goes on then. */
  loadPlugin(wasm: Uint8Array, source: string): Promise<PluginStatus>;
  resetPlugin(): Promise<PluginStatus>;
  envoyStatus(): Promise<EnvoyStatus>;
  /** Rejects with ControlRefusal when the present one goes on. */
  replaceEnvoy(how: EnvoyReplacement): Promise<EnvoyStatus>;
  /** Leaves all new connections to another proxy. */
  drain(): Promise<void>;
  /** Rejects with ControlRefusal when the question cannot be understood. */
  explain(texts: AskedTexts): Promise<Explanation>;
}

/** Listens on `path`; rejects with SocketInUseError when a living process does already. */
export async function startControlServer(path: string, handlers: ControlHandlers): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, handlers).then(
      (body) => send(response, 200, body),
      (error: unknown) => sendError(response, error),
    );
  });
  await listenOnUnixSocket(server, path);
  return server;
}

async function answer(request: IncomingMessage, handlers: ControlHandlers): Promise<object> {
  const url = new URL(request.url ?? "/", "http://control");
  switch (`${request.method} ${url.pathname}`) {
    case `GET ${STATUS_PATH}`:
      return handlers.status();
    case `GET ${PLUGIN_PATH}`:
      return handlers.status().plugin;
    case `PUT ${PLUGIN_PATH}`:
      return handlers.loadPlugin(await readModule(request), url.searchParams.get("source") ?? "");
    case `DELETE ${PLUGIN_PATH}`:
      return handlers.resetPlugin();
    case `GET ${ENVOY_PATH}`:
      return handlers.envoyStatus();
    case `PUT ${ENVOY_PATH}`:
      return handlers.replaceEnvoy(await readReplacement(request));
    case `PUT ${DRAIN_PATH}`:
      await handlers.drain();
      return {};
    case `GET ${EXPLAIN_PATH}`:
      return handlers.explain({
        from: url.searchParams.get("from") ?? undefined,
        to: url.searchParams.get("to") ?? "",
      });
    default:
      throw new ControlRefusal(`no ${request.method} ${url.pathname} here`);
  }
}

async function readModule(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_PLUGIN_BYTES) {
      throw new ControlRefusal(`the module is longer than ${MAX_PLUGIN_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readReplacement(request: IncomingMessage): Promise<EnvoyReplacement> {
  const text = Buffer.concat(await request.toArray()).toString("utf8");
  const { binary, drainMs, endDraining } = objectIn(text);
  const isWhole =
    (binary === undefined || typeof binary === "string") &&
    typeof drainMs === "number" &&
    drainMs >= 0 &&
    typeof endDraining === "boolean";
  if (isWhole) return { ...(binary === undefined ? {} : { binary }), drainMs, endDraining };
  throw new ControlRefusal(
    `PUT ${ENVOY_PATH} takes {"drainMs": milliseconds, "endDraining": true or false, and perhaps ` +
      `"binary": "path"}, not ${text.slice(0, 60)}`,
  );
}

/** Empty when it is no JSON, or JSON of something else. */
function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, error: unknown): void {
  const refused = error instanceof ControlRefusal;
  const message = error instanceof Error ? error.message : String(error);
  send(response, refused ? 422 : 500, { error: message } satisfies ControlError);
}
