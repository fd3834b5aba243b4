// What applies to a frontend's connections → words for operators.

import type { FunctionChoice } from "../model/types.ts";
import type { FrontendSettings } from "./types.ts";

/** Returns what differs from Portico's own defaults, in a few words each. */
export function settingsText(settings: FrontendSettings): string[] {
  const { balancing, ejection, maxConnections, maxNewConnectionsPerSecond, pick } = settings;
  return [
    ...(pick === undefined ? [] : [`function ${functionText(pick)}`]),
    ...(balancing === "random" ? [] : [balancing]),
    ...(ejection ? [] : ["no ejection"]),
    ...(maxConnections === 0 ? [] : [`at most ${maxConnections} connections`]),
    ...(maxNewConnectionsPerSecond === 0
      ? []
      : [`at most ${maxNewConnectionsPerSecond} new connections a second`]),
  ];
}

/** Returns "split", or `split {"share":10}`. */
export function functionText({ name, parameters }: FunctionChoice): string {
  const given = JSON.stringify(parameters);
  return given === "{}" ? name : `${name} ${given}`;
}
