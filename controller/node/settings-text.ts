// What applies to a frontend's connections → words for operators.

import type { FrontendSettings } from "./types.ts";

/** Returns what differs from Portico's own defaults, in a few words each. */
export function settingsText(settings: FrontendSettings): string[] {
  const { balancing, ejection, maxConnections, maxNewConnectionsPerSecond } = settings;
  return [
    ...(balancing === "random" ? [] : [balancing]),
    ...(ejection ? [] : ["no ejection"]),
    ...(maxConnections === 0 ? [] : [`at most ${maxConnections} connections`]),
    ...(maxNewConnectionsPerSecond === 0
      ? []
      : [`at most ${maxNewConnectionsPerSecond} new connections a second`]),
  ];
}
