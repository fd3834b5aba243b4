// The log of the process: one JSON line per entry on stderr, so that stdout stays free for what a
// command prints.

import { type DestinationStream, type Logger, pino } from "pino";

export type Log = Logger;
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `destination` is for tests; absent, lines go to stderr, each written before the call returns. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination ?? pino.destination({ fd: 2, sync: true }));
}
