// One line of a watch → the event it tells, as the API's WatchEvent has it ("API concepts:
// efficient detection of changes").

import { recordOf, textOf } from "../model/json.ts";
import { garbledAnswer, type WatchFailure } from "./list-watch-failure.ts";

export type WatchEvent =
  | { type: "upsert" | "remove"; resourceVersion: string; object: unknown }
  | {
      type: "bookmark";
      resourceVersion: string;
      /** The last of the objects that a streaming list began with was told before. */
      endsInitialEvents: boolean;
    }
  | { type: "error"; status: number; message: string };

/** Throws a WatchFailure "garbled" for anything that is not an event. */
export function eventFromLine(line: string): WatchEvent {
  const { type, object } = recordOf(jsonOf(line));
  const { metadata, code, message } = recordOf(object);
  if (type === "ERROR") {
    return {
      type: "error",
      status: typeof code === "number" ? code : 500,
      message: textOf(message),
    };
  }
  const resourceVersion = textOf(recordOf(metadata).resourceVersion);
  if (resourceVersion === "") throw garbled(line);
  if (type === "ADDED" || type === "MODIFIED") return { type: "upsert", resourceVersion, object };
  if (type === "DELETED") return { type: "remove", resourceVersion, object };
  if (type !== "BOOKMARK") throw garbled(line);
  const annotations = recordOf(recordOf(metadata).annotations);
  const endsInitialEvents = annotations["k8s.io/initial-events-end"] === "true";
  return { type: "bookmark", resourceVersion, endsInitialEvents };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw garbled(line);
  }
}

function garbled(line: string): WatchFailure {
  return garbledAnswer(
    `The API server sent a line that is not a watch event: ${line.slice(0, 120)}`,
  );
}

/**
 * Whether resource version `a` is older than `b`. They are decimal numbers that may be compared
 * (KEP-5504), as text because they may pass 2^53; others are taken as not older.
 */
export function isOlder(a: string, b: string): boolean {
  const decimal = /^\d+$/;
  if (!decimal.test(a) || !decimal.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}
