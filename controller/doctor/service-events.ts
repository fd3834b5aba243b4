// Warning Events on a Service, as `kubectl describe service` lists them → notes: what others have
// said of it, such as the controller that should make its load balancer. Pure.

import { recordOf, textOf } from "../model/json.ts";
import type { ObjectKey } from "../model/types.ts";
import type { Finding } from "./types.ts";

export interface DoctorEvent {
  reason: string;
  message: string;
  /** Of the last time, ISO 8601; empty when nobody says. */
  at: string;
  /** Empty when nobody says. */
  author: string;
}

/** An Event of the core API or of a YAML file. */
export function eventFromObject(json: unknown): DoctorEvent[] {
  const { reason, message, lastTimestamp, eventTime, series, metadata, ...rest } = recordOf(json);
  const times = [recordOf(series).lastObservedTime, lastTimestamp, eventTime];
  const created = recordOf(metadata).creationTimestamp;
  const author = textOf(rest.reportingComponent) || textOf(recordOf(rest.source).component);
  const at = [...times, created].map(textOf).find((text) => text !== "") ?? "";
  return [{ reason: textOf(reason), message: textOf(message), at, author }];
}

const MOST = 5;
/** What Portico writes, the doctor finds by itself. */
const OWN_AUTHOR = "portico";

/** The latest first, each thing that was said once. */
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
    text: `an Event says ${said} (a Warning${where})`,
    command: `kubectl describe service -n ${namespace} ${name}`,
  }));
}
