// One line of a watch → its event, as in the API's WatchEvent ("API concepts: efficient detection
// of changes").

import { type ApiFailure, garbledAnswer } from "../kubeconfig/api-failure.ts";
import { recordOf, textOf } from "../model/json.ts";

export type WatchEvent =
  | { type: "upsert" | "remove"; resourceVersion: string; object: unknown }
  | {
      type: "bookmark";
      resourceVersion: string;
      /** Whether this bookmark ends the initial objects of a streaming list. */
      endsInitialEvents: boolean;
    }
  | { type: "error"; status: number; message: string };

/** Throws an ApiFailure "garbled" for anything that is not an event. */
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

function garbled(line: string): ApiFailure {
  return garbledAnswer(
    `The API server sent a line that is not a watch event: ${line.slice(0, 120)}`,
  );
}

/**
 * Reports whether resource version `a` is older than `b`. They are comparable decimal numbers
 * (KEP-5504), kept as text because they may exceed 2^53; anything else counts as not older.
 */
export function isOlder(a: string, b: string): boolean {
  const decimal = /^\d+$/;
  if (!decimal.test(a) || !decimal.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}
