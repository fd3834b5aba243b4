// Warning Events on a Service, as `kubectl describe service` lists them → notes: what others report
// about it, such as the controller that should make its load balancer. Pure.

import { recordOf, textOf } from "../model/json.ts";
import type { ObjectKey } from "../model/types.ts";
import type { Finding } from "./types.ts";

interface DoctorEvent {
  reason: string;
  message: string;
  /** Time of the last occurrence, ISO 8601; empty when not given. */
  at: string;
  /** Empty when not given. */
  author: string;
}

/** Reads an Event of the core API or of a YAML file. */
export function eventFromObject(json: unknown): DoctorEvent[] {
  const { reason, message, lastTimestamp, eventTime, series, metadata, ...rest } = recordOf(json);
  const times = [recordOf(series).lastObservedTime, lastTimestamp, eventTime];
  const created = recordOf(metadata).creationTimestamp;
  const author = textOf(rest.reportingComponent) || textOf(recordOf(rest.source).component);
  const at = [...times, created].map(textOf).find((text) => text !== "") ?? "";
  return [{ reason: textOf(reason), message: textOf(message), at, author }];
}

const MOST = 5;
/** The doctor finds by itself what Portico writes. */
const OWN_AUTHOR = "portico";

/** Returns the latest first, each message once. */
export function eventFindings(service: ObjectKey, events: readonly DoctorEvent[]): Finding[] {
  const [namespace = "", name = ""] = service.split("/", 2);
  const said = events.filter(({ reason, message }) => reason !== "" || message !== "");
  const others = said.filter(({ author }) => author !== OWN_AUTHOR);
  const latest = others.toSorted((a, b) => (a.at > b.at ? -1 : 1));
  const texts = latest.map(({ reason, message, at, author }) => {
    const by = author === "" ? "" : ` by ${author}`;
    const when = at === "" ? "" : `, last at ${at.replace(/\.\d+Z$/, "Z")}`;
    return { said: `${reason}: ${message.replace(/\s+/g, " ").trim()}`, where: `${by}${when}` };
  });
  const once = texts.filter((text, index) => {
    return texts.findIndex(({ said }) => said === text.said) === index;
  });
  return once.slice(0, MOST).map(({ said, where }) => ({
    level: "note",
    code: "event",
    service,
    text: `an Event reports ${said} (a Warning${where})`,
    command: `kubectl describe service -n ${namespace} ${name}`,
  }));
}
