// Keeps a sink equal to one collection of the Kubernetes API: list, then watch, and again after any
// fault. The collection's `parse` (Intake) trims the objects.
//
// A streaming list (KEP-3157) where the server has it, pages of 500 otherwise. A watch continues
// from the last resource version seen. A new list happens only when the server has forgotten that
// version (410), or when three attempts to continue from it brought nothing usable.

import { ApiFailure, failureFromError, garbledAnswer } from "../kubeconfig/api-failure.ts";
import { listOf, type Parsed, recordOf, textOf } from "../model/json.ts";
import type { Kind, KindTypes } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { Backoff } from "./list-watch-backoff.ts";
import { eventFromLine, isOlder, type WatchEvent } from "./list-watch-events.ts";
import type { SilenceGuard } from "./list-watch-guard.ts";
import { Intake, type ReportProblems, type WatchSink } from "./list-watch-intake.ts";
import { linesOf } from "./list-watch-lines.ts";
import { type Api, Requests } from "./list-watch-request.ts";

const PAGE_OBJECTS = 500;
/** The server sends a bookmark about every minute: three missed bookmarks count as silence. */
const SILENCE_LIMIT_MS = 180_000;
/** The least time for which a watch is requested: 5 to 10 minutes, as in client-go. */
const WATCH_SECONDS = 300;
/** How long to wait before looking again for a resource that the server lacks. */
const ABSENT_RETRY_MS = 600_000;
const FUTILE_LIMIT = 3;

export interface Collection<K extends Kind> {
  kind: K;
  /** Empty for the core group. */
  apiGroup: string;
  /** Plural, such as "endpointslices"; always of version v1. */
  resource: string;
  /** labelSelector and fieldSelector. */
  selectors: Record<string, string>;
  /** A server that lacks the resource counts as one without objects. */
  optional: boolean;
  parse: (json: unknown) => Parsed<KindTypes[K]>;
}

/** The state of one kind, for operators. */
export interface WatchStatus {
  kind: Kind;
  state: "listing" | "watching" | "waiting" | "absent" | "stopped";
  /** Listed completely at least once; stays true. */
  synced: boolean;
  /** The version the sink is equal to; empty before the first list and while a new one is made. */
  resourceVersion: string;
  /** Completed lists. */
  lists: number;
  /** Requests repeated after a fault. */
  restarts: number;
  /** Objects that have problems now. */
  badObjects: number;
  /** Events older than earlier ones, which were ignored. */
  staleEvents: number;
  /** The last fault; undefined after a success. */
  failure: { code: string; message: string; hint: string; atMs: number } | undefined;
  /** Something worth knowing that is not a fault; empty when there is none. */
  note: string;
}

interface ListWatchOptions<K extends Kind> {
  collection: Collection<K>;
  api: Api;
  sink: WatchSink;
  reportProblems: ReportProblems;
  /** Called when something failed, recovered, or synced. */
  onStatus: (status: WatchStatus) => void;
  clock: Clock;
  /** Numbers from 0 up to 1. */
  random: () => number;
}

export class ListWatch<K extends Kind> {
  readonly #options: ListWatchOptions<K>;
  readonly #intake: Intake<K>;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #requests: Requests;
  #ended: Promise<void> | undefined;
  #state: WatchStatus["state"] = "listing";
  #failure: WatchStatus["failure"];
  #note = "";
  #resourceVersion: string | undefined;
  #counts = { lists: 0, restarts: 0, staleEvents: 0 };
  /** "never": the server has no streaming lists. "not now": the last one broke. */
  #streamingList: "yes" | "not now" | "never" = "yes";
  /** Consecutive attempts to continue from a resource version that brought nothing. */
  #futile = 0;
  /** Whether the present attempt has brought anything. */
  #progressed = false;

  constructor(options: ListWatchOptions<K>) {
    const { collection, api, sink, reportProblems, clock, random } = options;
    this.#options = options;
    this.#requests = new Requests(api, clock, this.#stop.signal, collection);
    this.#intake = new Intake(collection.kind, collection.parse, sink, reportProblems);
    this.#backoff = new Backoff(random);
  }

  /** Starts, once. Never fails: faults show in the status and are retried. */
  start(): void {
    this.#ended ??= this.#run();
  }

  /** Resolves when nothing more can reach the sink. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    await this.#ended;
    this.#state = "stopped";
  }

  status(): WatchStatus {
    return {
      kind: this.#options.collection.kind,
      state: this.#state,
      synced: this.#intake.synced,
      resourceVersion: this.#resourceVersion ?? "",
      ...this.#counts,
      badObjects: this.#intake.badCount,
      failure: this.#failure,
      note: this.#note,
    };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = await this.#attempt();
      if (waitMs > 0) await this.#wait(waitMs);
    }
  }

  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(ms, resolve);
    const onStop = () => resolve();
    this.#stop.signal.addEventListener("abort", onStop);
    if (this.#stop.signal.aborted) resolve();
    await promise;
    this.#stop.signal.removeEventListener("abort", onStop);
    cancel();
  }

  /** Lists if necessary, and watches until that ends. Returns the milliseconds to wait then. */
  async #attempt(): Promise<number> {
    this.#progressed = false;
    const streams = this.#streamingList === "yes";
    try {
      if (this.#resourceVersion === undefined && !streams) await this.#listPages();
      await this.#watch();
      return this.#progressed ? 0 : this.#backoff.afterFailure(); // it ended, as watches do
    } catch (error) {
      if (this.#stop.signal.aborted) return 0;
      return this.#afterFailure(failureFromError(this.#options.api.server, error));
    }
  }

  #afterFailure(failure: ApiFailure): number {
    const { code, message, hint, retryAfterMs } = failure;
    const { collection, clock } = this.#options;
    if (code === "absent" && collection.optional) return this.#absent();
    this.#counts.restarts += 1;
    if (code === "silent") return 0; // a fault of the path; the next attempt shows its cause
    if (code === "refused" && this.#isStreamingList()) return this.#refuseStreamingList(message);
    const broke = code === "cut" || code === "garbled";
    if (broke && this.#isStreamingList()) this.#streamingList = "not now";
    const makesNoSense = code === "garbled" || code === "refused";
    this.#futile = makesNoSense && !this.#progressed ? this.#futile + 1 : 0;
    if (code === "gone" && this.#resourceVersion !== undefined) this.#backoff.reset();
    if (code === "gone" || this.#futile >= FUTILE_LIMIT) this.#forget();
    this.#failure = { code, message, hint, atMs: clock.now() };
    this.#setState("waiting");
    return this.#backoff.afterFailure(retryAfterMs);
  }

  #forget(): void {
    this.#resourceVersion = undefined;
    this.#futile = 0;
  }

  #absent(): number {
    const { apiGroup, resource } = this.#options.collection;
    this.#note = `The API server has no ${resource}.${apiGroup}: treating it as an empty list.`;
    this.#forget();
    this.#intake.beginList();
    this.#intake.endList();
    this.#setState("absent");
    return ABSENT_RETRY_MS;
  }

  #isStreamingList(): boolean {
    return this.#resourceVersion === undefined && this.#streamingList === "yes";
  }

  #refuseStreamingList(message: string): number {
    this.#streamingList = "never";
    this.#note = `Listed in pages, as the API server has no streaming lists: ${message}`;
    return 0;
  }

  #setState(state: WatchStatus["state"]): void {
    this.#state = state;
    this.#options.onStatus(this.status());
  }

  /** Success: the list is complete, or an event came. */
  #progress(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    this.#progressed = true;
    this.#futile = 0;
    this.#backoff.reset();
    this.#goWell();
  }

  #goWell(): void {
    const changes = this.#failure !== undefined || this.#state !== "watching";
    this.#failure = undefined;
    if (changes) this.#setState("watching");
  }

  async #listPages(): Promise<void> {
    this.#state = "listing";
    this.#intake.beginList();
    let resourceVersion = "";
    let token = "";
    do {
      const query = { limit: `${PAGE_OBJECTS}`, ...(token === "" ? {} : { continue: token }) };
      const { metadata, items } = await this.#requests.list(query);
      for (const item of listOf(items)) this.#intake.gather(item);
      const { resourceVersion: version, continue: next } = recordOf(metadata);
      resourceVersion = textOf(version);
      token = textOf(next);
    } while (token !== "");
    this.#endList(resourceVersion);
    if (this.#streamingList === "not now") this.#streamingList = "yes";
  }

  #endList(resourceVersion: string): void {
    if (resourceVersion === "") {
      throw garbledAnswer("The API server's list has no resourceVersion.");
    }
    this.#intake.endList();
    this.#counts.lists += 1;
    if (this.#streamingList !== "never") this.#note = "";
    this.#progress(resourceVersion);
  }

  /** Watches from the present resource version, or with a streaming list when there is none. */
  async #watch(): Promise<void> {
    const begins = this.#resourceVersion === undefined;
    if (begins) {
      this.#state = "listing";
      this.#intake.beginList();
    }
    const timeoutSeconds = Math.floor(WATCH_SECONDS * (1 + this.#options.random()));
    const from: Record<string, string> = begins
      ? { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" }
      : { resourceVersion: this.#resourceVersion ?? "" };
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      timeoutSeconds: `${timeoutSeconds}`,
      ...from,
    };
    await this.#requests.get("watch", query, async (body, guard) => {
      if (!begins) this.#onResumed(guard);
      for await (const line of linesOf(body)) this.#onEvent(eventFromLine(line), guard);
    });
    if (this.#resourceVersion === undefined) {
      const hint = "Portico retries with a list in pages.";
      throw new ApiFailure("cut", "The streaming list ended before it was complete.", hint);
    }
  }

  /** The server accepted the watch: that is a success even before the first event. */
  #onResumed(guard: SilenceGuard): void {
    this.#limitSilence(guard);
    this.#goWell();
  }

  #limitSilence(guard: SilenceGuard): void {
    guard.limit(SILENCE_LIMIT_MS, () => {
      const message = `No event and no bookmark for ${SILENCE_LIMIT_MS / 1000} s.`;
      return new ApiFailure("silent", message, "Portico restarts the watch.");
    });
  }

  #onEvent(event: WatchEvent, guard: SilenceGuard): void {
    if (event.type === "error") {
      throw this.#requests.failure("watch", event.status, event.message);
    }
    const { resourceVersion } = event;
    if (this.#resourceVersion === undefined) {
      this.#onInitialEvent(event, guard);
      return;
    }
    if (isOlder(resourceVersion, this.#resourceVersion)) {
      this.#counts.staleEvents += 1;
      return;
    }
    if (event.type === "upsert") this.#intake.upsert(event.object);
    if (event.type === "remove") this.#intake.remove(event.object);
    this.#progress(resourceVersion);
  }

  /** A streaming list brings objects in any order of versions, then a bookmark that ends them. */
  #onInitialEvent(event: Exclude<WatchEvent, { type: "error" }>, guard: SilenceGuard): void {
    if (event.type === "upsert") this.#intake.gather(event.object);
    else if (event.type === "bookmark" && event.endsInitialEvents) {
      this.#endList(event.resourceVersion);
      this.#limitSilence(guard);
    }
  }
}
