// Event series → Event objects of events.k8s.io/v1, as kube-proxy writes them. One request a call.

import {
  ApiException,
  type ConfigurationOptions,
  EventsV1Api,
  type EventsV1Event,
  type KubeConfig,
  PatchStrategy,
  setHeaderMiddleware,
  V1MicroTime,
} from "@kubernetes/client-node";
import { recordOf, textOf } from "../model/json.ts";
import type { EventSeries, EventSink, WriteOutcome } from "./events.ts";

const REPORTING_CONTROLLER = "portico";
/** The API's limit for the text of an Event. */
const MAX_NOTE_BYTES = 1_024;
const PATIENCE_MS = 10_000;
const MAX_OWN = 1_000;
const RIGHTS_HINT = "give it create and patch on events of events.k8s.io, as kube-proxy has";

export class KubernetesEvents implements EventSink {
  readonly #load: () => KubeConfig;
  readonly #nodeName: string;
  /** Names of the Events that this process wrote, and their counts; the last one written last. */
  readonly #own = new Map<string, number>();
  #api: EventsV1Api | undefined;

  /** `load` is called when it is needed, and again after credentials were not accepted. */
  constructor(load: () => KubeConfig, nodeName: string) {
    this.#load = load;
    this.#nodeName = nodeName;
  }

  async write(series: EventSeries): Promise<WriteOutcome> {
    try {
      this.#api ??= this.#load().makeApiClient(EventsV1Api);
      if (series.count === 1) return await this.#createOrShare(this.#api, series);
      await this.#patch(this.#api, series);
      return this.#wrote(series);
    } catch (error) {
      return this.#outcomeOf(error);
    }
  }

  /**
   * An Event that is there already was written for the same by another node, by an earlier process
   * or by this one. Only its author counts on, so that a cluster's nodes do not all patch it.
   */
  async #createOrShare(api: EventsV1Api, series: EventSeries): Promise<WriteOutcome> {
    try {
      await this.#create(api, series);
      return this.#wrote(series);
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 409)) throw error;
      const before = this.#own.get(series.objectName);
      if (before === undefined) return { outcome: "shared" };
      const again = { ...series, count: before + 1 };
      await this.#patch(api, again);
      return this.#wrote(again);
    }
  }

  #wrote({ objectName, count }: EventSeries): WriteOutcome {
    this.#own.delete(objectName);
    this.#own.set(objectName, count);
    const [oldest] = this.#own.keys();
    if (this.#own.size > MAX_OWN && oldest !== undefined) this.#own.delete(oldest);
    return { outcome: "written" };
  }

  async #create(api: EventsV1Api, series: EventSeries): Promise<void> {
    const body = eventFromSeries(series, this.#nodeName);
    const options = optionsFor("application/json");
    await api.createNamespacedEvent({ namespace: namespaceOf(series), body }, options);
  }

  /** The Event may be gone: the API server forgets them after an hour. */
  async #patch(api: EventsV1Api, series: EventSeries): Promise<void> {
    const name = series.objectName;
    const body = { series: seriesField(series) };
    const options = optionsFor(PatchStrategy.StrategicMergePatch);
    try {
      await api.patchNamespacedEvent({ name, namespace: namespaceOf(series), body }, options);
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 404)) throw error;
      await this.#create(api, series);
    }
  }

  /** Refused is what would be refused again, as client-go's recordEvent decides. */
  #outcomeOf(error: unknown): WriteOutcome {
    if (!(error instanceof ApiException)) {
      return { outcome: "again", reason: error instanceof Error ? error.message : String(error) };
    }
    const { code } = error;
    const message = textOf(recordOf(statusOf(error.body)).message) || `HTTP status ${code}`;
    if (code === 401) this.#api = undefined;
    if (code === 401 || code === 429 || code >= 500) return { outcome: "again", reason: message };
    const hint = code === 403 ? `; ${RIGHTS_HINT}` : "";
    return { outcome: "refused", reason: `${message}${hint}` };
  }
}

export function eventFromSeries(series: EventSeries, nodeName: string): EventsV1Event {
  const { subject, type, reason, action, note, objectName, firstSeen } = series;
  const { apiVersion, kind, namespace, name, uid } = subject;
  return {
    metadata: { name: objectName, namespace: namespaceOf(series) },
    eventTime: new V1MicroTime(firstSeen),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: `${REPORTING_CONTROLLER}-${nodeName}`,
    action,
    reason,
    regarding: {
      apiVersion,
      kind,
      name,
      ...(namespace !== "" && { namespace }),
      ...(uid !== "" && { uid }),
    },
    note: shortened(note),
    type,
    ...(series.count > 1 && { series: seriesField(series) }),
  };
}

function seriesField({ count, lastSeen }: EventSeries) {
  return { count, lastObservedTime: new V1MicroTime(lastSeen) };
}

/** Events on objects without a namespace go to the default one, as client-go's recorder has it. */
function namespaceOf({ subject }: EventSeries): string {
  return subject.namespace === "" ? "default" : subject.namespace;
}

function shortened(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  const whole = bytes.subarray(0, MAX_NOTE_BYTES - 4).toString("utf8");
  return `${whole.replace(/\uFFFD+$/, "")} …`;
}

/** Limits the time of a request, which the library does not. */
function optionsFor(contentType: string): ConfigurationOptions {
  const header = setHeaderMiddleware("content-type", contentType);
  const pre: typeof header.pre = (context) => {
    context.setSignal(AbortSignal.timeout(PATIENCE_MS));
    return header.pre(context);
  };
  return { middleware: [{ ...header, pre }], middlewareMergeStrategy: "append" };
}

/** The library hands over the body of a refusal as text or as an object. */
function statusOf(body: unknown): unknown {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}
