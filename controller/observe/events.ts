// What operators should see with `kubectl describe` → Kubernetes Events: one for each different
// thing, whichever nodes see it, counted when it repeats, within a rate, written in the background.
// Nothing here throws or makes the caller wait. Without an API server (manifests) Events only go to
// the log.

import { createHash } from "node:crypto";
import type { Clock } from "../system/clock.ts";
import { EventRates } from "./event-rates.ts";
import type { Log } from "./log.ts";

interface EventSubject {
  apiVersion: string;
  kind: string;
  /** Empty for an object without one. */
  namespace: string;
  name: string;
  /** `kubectl describe` shows only Events that carry it; empty when unknown. */
  uid: string;
}

export interface EventNote {
  subject: EventSubject;
  type: "Normal" | "Warning";
  /** Why, in one word of CamelCase: "FailedToStartServiceHealthcheck". */
  reason: string;
  /** What was being done, in the same form: "Listen". */
  action: string;
  note: string;
}

/** A note and how often it occurred. */
export interface EventSeries extends EventNote {
  /** Name of the Event object: the same on every node that reports the same about an object. */
  objectName: string;
  /** Milliseconds since 1970. */
  firstSeen: number;
  lastSeen: number;
  count: number;
}

/**
 * The result of one attempt: written; already there, from another node or an earlier process; never
 * try again, because …; try again.
 */
export type WriteOutcome =
  | { outcome: "written" }
  | { outcome: "shared" }
  | { outcome: "refused"; reason: string }
  | { outcome: "again"; reason: string };

export interface EventSink {
  /** Writes a series of one as a new Event; a longer one replaces what was written before. */
  write(series: EventSeries): Promise<WriteOutcome>;
}

interface EventRecorderOptions {
  /** Undefined: Events go to the log only. */
  sink: EventSink | undefined;
  log: Log;
  clock: Clock;
  /** Called for every Event that is not just a repetition. */
  counted: (outcome: "written" | "shared" | "dropped" | "failed") => void;
}

/** A repetition after this long starts a new series; as client-go's finishTime. */
const SERIES_END_MS = 360_000;
/** The count of a series is written at its first repetition, and then at most this often. */
const SERIES_WRITE_MS = 300_000;
/** The API server deletes Events after this long (its --event-ttl): a shared one is gone then. */
const SHARED_FOR_MS = 3_600_000;
const MAX_SERIES = 1_000;
/** The limit for an object's name in Kubernetes. */
const MAX_NAME = 253;
/** As in client-go's event broadcaster. */
const MAX_ATTEMPTS = 12;
const RETRY_MS = 10_000;

interface Kept {
  series: EventSeries;
  /** Undefined before the first time. */
  queuedAt: number | undefined;
  /** Another process wrote the Event, and counts its repetitions. */
  isShared: boolean;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #rates: EventRates;
  /** By identity (see identity()); the note seen last comes last. */
  readonly #kept = new Map<string, Kept>();
  readonly #queue = new Set<EventSeries>();
  #isWriting = false;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#rates = new EventRates(options.clock);
  }

  record(event: EventNote): void {
    const now = this.#options.clock.now();
    const key = identity(event);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    this.#forget(now);
    if (kept && !hasEnded(kept, now)) {
      this.#kept.set(key, kept);
      this.#repeat(kept, now);
      return;
    }
    const objectName = eventName(event.subject.name, key);
    const series = { ...event, objectName, firstSeen: now, lastSeen: now, count: 1 };
    this.#kept.set(key, { series, queuedAt: undefined, isShared: false });
    this.#log(event);
    if (!this.#options.sink) return;
    if (this.#rates.allow(subjectText(event.subject))) this.#enqueue(key, now);
    else this.#options.counted("dropped");
  }

  /** Drops what is not written yet. */
  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    this.#wake?.();
  }

  #repeat(kept: Kept, now: number): void {
    kept.series.count += 1;
    kept.series.lastSeen = now;
    // One that was dropped will not be written later either.
    if (kept.queuedAt === undefined || kept.isShared) return;
    const isFirst = kept.series.count === 2;
    if (isFirst || now - kept.queuedAt >= SERIES_WRITE_MS) {
      this.#enqueue(identity(kept.series), now);
    }
  }

  #enqueue(key: string, now: number): void {
    const kept = this.#kept.get(key);
    if (!kept || this.#stopped) return;
    kept.queuedAt = now;
    this.#queue.add(kept.series);
    if (!this.#isWriting) void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    for (const series of this.#queue) {
      this.#queue.delete(series);
      await this.#write(series);
    }
    this.#isWriting = false;
  }

  async #write(series: EventSeries): Promise<void> {
    const { sink, counted, log } = this.#options;
    for (let attempt = 1; sink && !this.#stopped; attempt++) {
      const isNew = series.count === 1;
      const result = await sink.write(series).catch(failed);
      if (result.outcome === "written" || result.outcome === "shared") {
        this.#share(series, result.outcome === "shared");
        if (isNew) counted(result.outcome);
        return;
      }
      if (result.outcome === "refused" || attempt === MAX_ATTEMPTS) {
        counted("failed");
        const event = `${series.reason} on ${subjectText(series.subject)}`;
        log.info({ event, reason: result.reason }, "cannot write an Event");
        return;
      }
      await this.#wait(RETRY_MS);
    }
  }

  #share(series: EventSeries, isShared: boolean): void {
    const kept = this.#kept.get(identity(series));
    if (kept?.series === series) kept.isShared = isShared;
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(milliseconds, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Drops series that have ended, and the oldest when there are too many. */
  #forget(now: number): void {
    for (const [key, { series }] of this.#kept) {
      if (now - series.lastSeen < SERIES_END_MS && this.#kept.size < MAX_SERIES) return;
      this.#kept.delete(key);
    }
  }

  #log({ subject, type, reason, note }: EventNote): void {
    const level = type === "Warning" ? "warn" : "info";
    this.#options.log[level]({ object: subjectText(subject), reason }, note);
  }
}

function failed(error: unknown): WriteOutcome {
  return { outcome: "again", reason: error instanceof Error ? error.message : String(error) };
}

function hasEnded({ series, isShared }: Kept, now: number): boolean {
  if (now - series.lastSeen >= SERIES_END_MS) return true;
  return isShared && now - series.firstSeen >= SHARED_FOR_MS;
}

/** The note counts too: two things wrong with one object are two Events. */
function identity({ subject, type, reason, action, note }: EventNote): string {
  return [subjectText(subject), subject.uid, type, reason, action, note].join("\0");
}

function subjectText({ kind, namespace, name }: EventSubject): string {
  return namespace === "" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/**
 * Returns the object's name and a hash of the note's identity, which includes the uid. So what all
 * nodes see of an object is one Event; what only one can see names the node in its note.
 */
function eventName(objectName: string, key: string): string {
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 16);
  return `${objectName.slice(0, MAX_NAME - hash.length - 1)}.${hash}`;
}
