// Event series → Event objects of events.k8s.io/v1, as kube-proxy writes them. One request each.

import type { ApiAccess } from "../kubeconfig/access.ts";
import { recordOf, textOf } from "../model/json.ts";
import { type ApiRequest, KubernetesApi } from "../watch/kubernetes-api.ts";
import type { EventSeries, EventSink, WriteOutcome } from "./events.ts";

const REPORTING_CONTROLLER = "portico";
/** The API's limit for the text of an Event. */
const MAX_NOTE_BYTES = 1_024;
const PATIENCE_MS = 10_000;
const MAX_OWN = 1_000;
const RIGHTS_HINT = "grant create and patch on events of events.k8s.io, as for kube-proxy";

export class KubernetesEvents implements EventSink {
  readonly #load: () => ApiAccess;
  readonly #nodeName: string;
  readonly #userAgent: string;
  /** Names and counts of the Events that this process wrote; the latest written comes last. */
  readonly #own = new Map<string, number>();
  #api: KubernetesApi | undefined;

  /** Calls `load` when needed, and again after the server refused the credentials. */
  constructor(load: () => ApiAccess, nodeName: string, userAgent: string) {
    this.#load = load;
    this.#nodeName = nodeName;
    this.#userAgent = userAgent;
  }

  async write(series: EventSeries): Promise<WriteOutcome> {
    try {
      this.#api ??= new KubernetesApi(this.#load, this.#userAgent);
      if (series.count === 1) return await this.#createOrShare(this.#api, series);
      await this.#patch(this.#api, series);
      return this.#wrote(series);
    } catch (error) {
      return this.#outcomeOf(error);
    }
  }

  /**
   * An Event that exists already was written for the same cause by another node, by an earlier
   * process or by this one. Only its author keeps counting, so that not all nodes patch it.
   */
  async #createOrShare(api: KubernetesApi, series: EventSeries): Promise<WriteOutcome> {
    try {
      await this.#create(api, series);
      return this.#wrote(series);
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 409)) throw error;
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

  async #create(api: KubernetesApi, series: EventSeries): Promise<void> {
    const event = eventFromSeries(series, this.#nodeName);
    await write(api, "POST", eventsPath(series), "application/json", event);
  }

  /** The Event may be gone: the API server deletes Events after an hour. */
  async #patch(api: KubernetesApi, series: EventSeries): Promise<void> {
    const path = `${eventsPath(series)}/${encodeURIComponent(series.objectName)}`;
    const change = { series: seriesField(series) };
    try {
      await write(api, "PATCH", path, "application/strategic-merge-patch+json", change);
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 404)) throw error;
      await this.#create(api, series);
    }
  }

  /** "refused" means that the server would refuse it again, as client-go's recordEvent decides. */
  #outcomeOf(error: unknown): WriteOutcome {
    if (!(error instanceof Refusal)) {
      return { outcome: "again", reason: error instanceof Error ? error.message : String(error) };
    }
    const { code, message } = error;
    if (code === 401 || code === 429 || code >= 500) return { outcome: "again", reason: message };
    const hint = code === 403 ? `; ${RIGHTS_HINT}` : "";
    return { outcome: "refused", reason: `${message}${hint}` };
  }
}

/**
 * Returns an Event of events.k8s.io/v1 as the API takes it. Cuts its note at the API's limit; it is
 * a series only from the second time.
 */
export function eventFromSeries(series: EventSeries, nodeName: string) {
  const { subject, type, reason, action, note, objectName, firstSeen } = series;
  const { apiVersion, kind, namespace, name, uid } = subject;
  return {
    metadata: { name: objectName, namespace: namespaceOf(series) },
    eventTime: microTime(firstSeen),
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
  return { count, lastObservedTime: microTime(lastSeen) };
}

/** Events on objects without a namespace go to the default one, as in client-go's recorder. */
function namespaceOf({ subject }: EventSeries): string {
  return subject.namespace === "" ? "default" : subject.namespace;
}

function shortened(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  const whole = bytes.subarray(0, MAX_NOTE_BYTES - 4).toString("utf8");
  return `${whole.replace(/\uFFFD+$/, "")} …`;
}

/** Returns the API's MicroTime: six digits of a second. */
function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "000Z");
}

function eventsPath(series: EventSeries): string {
  const namespace = encodeURIComponent(namespaceOf(series));
  return `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
}

/** An answer with any status other than success. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

async function write(
  api: KubernetesApi,
  method: ApiRequest["method"],
  path: string,
  type: string,
  json: object,
): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const { status, body } = await api.send({
    method,
    path,
    signal,
    body: { type, text: JSON.stringify(json) },
  });
  const text = Buffer.concat(await Array.fromAsync(body)).toString("utf8");
  if (status < 200 || status > 299) throw new Refusal(status, messageOf(text, status));
}

/** Returns the message of the Status object, or the HTTP status where the answer is none. */
function messageOf(text: string, status: number): string {
  try {
    return textOf(recordOf(JSON.parse(text)).message) || `HTTP status ${status}`;
  } catch {
    return `HTTP status ${status}`;
  }
}
