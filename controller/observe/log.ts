// The log of the process: one JSON line per entry on stderr, so that stdout stays free for what a
// command prints.

import { type DestinationStream, type Logger, pino } from "pino";

export type Log = Logger;
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDERR = 2;
/** Lines that cannot be written are kept up to this size, and written later; more are dropped. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/**
 * Writes lines to a file descriptor, each before the call returns. A full disk behind it, or a
 * reader that is gone, does not end the process: Services keep working, and up to 1 MiB is written
 * once that is possible again.
 */
export function logDestination(fd = STDERR): DestinationStream {
  const destination = pino.destination({ fd, sync: true, maxLength: MAX_BACKLOG_BYTES });
  destination.on("error", () => {});
  return destination;
}

/** `destination` is for tests; when absent, lines go to stderr. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination ?? logDestination());
}
