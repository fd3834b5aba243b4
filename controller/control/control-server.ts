// The controller's end of control.sock: status for operators, and the plugin to run. Only reads and
// answers; the caller gives the handlers.

import type { IncomingMessage, Server } from "node:http";
import type { EnvoyReplacement, EnvoyStatus } from "../envoys/envoy-status.ts";
import type { AskedTexts } from "../explain/asked.ts";
import type { Explanation } from "../explain/explanation.ts";
import { type Answer, JSON_TYPE } from "../http/answer.ts";
import { createHttpServer } from "../http/server.ts";
import { recordOf } from "../model/json.ts";
import type { PluginStatus } from "../rollout/plugin-status.ts";
import { Refusal } from "../system/refusal.ts";
import { listenOnUnixSocket } from "../system/unix-socket.ts";
import { MAX_PLUGIN_BYTES } from "../xds/check-plugin.ts";
import {
  type ControlError,
  type ControllerStatus,
  DRAIN_PATH,
  ENVOY_PATH,
  EXPLAIN_PATH,
  PLUGIN_PATH,
  STATUS_PATH,
} from "./control-api.ts";

export interface ControlHandlers {
  status(): ControllerStatus;
  /** Rejects with Refusal when the module is refused; the old one then stays. */
  loadPlugin(wasm: Uint8Array, source: string): Promise<PluginStatus>;
  resetPlugin(): Promise<PluginStatus>;
  envoyStatus(): Promise<EnvoyStatus>;
  /** Rejects with Refusal when the present one stays. */
  replaceEnvoy(how: EnvoyReplacement): Promise<EnvoyStatus>;
  /** Leaves all new connections to another proxy. */
  drain(): Promise<void>;
  /** Rejects with Refusal when the question cannot be understood. */
  explain(texts: AskedTexts): Promise<Explanation>;
}

/** A finished command must not delay the controller's end; this is Node's own default. */
const IDLE_CONNECTION_MS = 5_000;

/** Listens on `path`; rejects with SocketInUseError when a running process already does. */
export async function startControlServer(path: string, handlers: ControlHandlers): Promise<Server> {
  const server = createHttpServer((request) => {
    return bodyFor(request, handlers)
      .then((body) => answerOf(200, body))
      .catch(answerOfError);
  }, IDLE_CONNECTION_MS);
  await listenOnUnixSocket(server, path);
  return server;
}

async function bodyFor(request: IncomingMessage, handlers: ControlHandlers): Promise<object> {
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
      throw new Refusal(`no ${request.method} ${url.pathname} here`);
  }
}

async function readModule(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_PLUGIN_BYTES) {
      throw new Refusal(`the module is longer than ${MAX_PLUGIN_BYTES} bytes`);
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
  throw new Refusal(
    `PUT ${ENVOY_PATH} takes {"drainMs": milliseconds, "endDraining": true or false, and maybe ` +
      `"binary": "path"}, not ${text.slice(0, 60)}`,
  );
}

/** Returns an empty object when it is not JSON, or JSON of something else. */
function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function answerOf(status: number, body: object): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(body) };
}

function answerOfError(error: unknown): Answer {
  const isRefused = error instanceof Refusal;
  const message = error instanceof Error ? error.message : String(error);
  return answerOf(isRefused ? 422 : 500, { error: message } satisfies ControlError);
}
