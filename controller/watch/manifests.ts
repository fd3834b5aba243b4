// A folder of manifest files → the cluster state, and again whenever a file in it changes. Reads
// only files directly in the folder whose names end in .yaml, .yml or .json, and do not start with
// a dot. Handles what users and programs do to folders: editors that replace a file by renaming,
// ConfigMap mounts that swap the link ..data, a folder that disappears and comes back.

import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Kind, KindTypes, Problem } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { type ManifestFile, type ManifestObject, manifestFileFromText } from "./manifests-file.ts";
import { clusterObjectsFrom } from "./manifests-objects.ts";

interface ManifestsOptions {
  directory: string;
  /** The cluster state; all kinds are replaced at once. */
  sink: { replaceAll<K extends Kind>(kind: K, objects: readonly KindTypes[K][]): void };
  /** Receives all present problems of the folder after each read. */
  reportProblems: (problems: readonly Problem[]) => void;
  /** Receives something worth a line in the log, although nothing is wrong. */
  note: (text: string) => void;
  clock: Clock;
  /** From the first sign of a change to reading: an editor writes a file in several steps. */
  debounceMs: number;
  /** The folder is read this often in any case; some file systems do not report changes. */
  rescanMs: number;
}

interface KnownFile {
  text: string;
  read: ManifestFile;
  /** Its objects when the file last had no errors. */
  lastGood: ManifestObject[] | undefined;
}

export class ManifestsSource {
  readonly #options: ManifestsOptions;
  readonly #files = new Map<string, KnownFile>();
  #watcher: FSWatcher | undefined;
  /** The watched inode: a new folder of the same name has another one. */
  #watchedInode: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #isHurried = false;
  #isStopped = false;
  #reading: Promise<void> = Promise.resolve();
  #ignoredKinds = "";

  constructor(options: ManifestsOptions) {
    this.#options = options;
  }

  /** Resolves after the first read. If the folder cannot be read, reports that and tries again. */
  async start(): Promise<void> {
    await this.#scan();
  }

  /** Resolves when nothing more can reach the sink. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#unwatch();
    await this.#reading;
  }

  /** Returns the addresses of the folder's Pod "namespace/name"; none if there is no such Pod. */
  podAddresses(pod: string): readonly string[] {
    for (const { lastGood = [] } of this.#files.values()) {
      for (const { kind, object, value } of lastGood) {
        if (kind === "Pod" && object === `Pod ${pod}`) return value.podIPs;
      }
    }
    return [];
  }

  /** One read at a time; a change meanwhile sets the timer again. */
  async #scan(): Promise<void> {
    this.#isHurried = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#reading = this.#reading.then(() => this.#read());
    await this.#reading;
    if (!this.#cancelTimer) this.#scanAfter(this.#options.rescanMs);
  }

  #scanAfter(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(delayMs, () => void this.#scan());
  }

  /** The first sign of a change sets the time, later ones do not postpone it. */
  #hurry(): void {
    if (this.#isHurried) return;
    this.#isHurried = true;
    this.#scanAfter(this.#options.debounceMs);
  }

  async #read(): Promise<void> {
    const { directory, reportProblems } = this.#options;
    try {
      await this.#watch();
      const problems = await this.#readFiles(await manifestNames(directory));
      if (!this.#isStopped) this.#feed(problems);
    } catch (error) {
      this.#unwatch();
      const problem = { object: `Folder ${directory}`, message: unreadable(error) };
      if (!this.#isStopped) reportProblems([problem]);
    }
  }

  /** Watches before reading, so that no change falls between the two. */
  async #watch(): Promise<void> {
    const { directory } = this.#options;
    const { ino } = await stat(directory);
    if (this.#isStopped || (this.#watcher && this.#watchedInode === ino)) return;
    this.#unwatch();
    this.#watcher = watch(directory, () => this.#hurry());
    this.#watcher.on("error", () => {
      this.#unwatch();
      this.#hurry();
    });
    this.#watchedInode = ino;
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Returns the problems of single files. */
  async #readFiles(names: readonly string[]): Promise<Problem[]> {
    for (const name of this.#files.keys()) if (!names.includes(name)) this.#files.delete(name);
    const problems: Problem[] = [];
    for (const name of names) {
      try {
        const text = await readFile(join(this.#options.directory, name), "utf8");
        this.#take(name, text);
      } catch (error) {
        problems.push({ object: `File ${name}`, message: unreadable(error) });
      }
    }
    return problems;
  }

  #take(name: string, text: string): void {
    const known = this.#files.get(name);
    if (known?.text === text) return;
    const read = manifestFileFromText(name, text);
    this.#files.set(name, { text, read, lastGood: read.objects ?? known?.lastGood });
  }

  #feed(unreadableFiles: readonly Problem[]): void {
    const { sink, reportProblems } = this.#options;
    const files = [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
    const cluster = clusterObjectsFrom(files.flatMap(({ lastGood }) => lastGood ?? []));
    sink.replaceAll("ServiceCIDR", cluster.ServiceCIDR);
    sink.replaceAll("Node", cluster.Node);
    sink.replaceAll("EndpointSlice", cluster.EndpointSlice);
    sink.replaceAll("Service", cluster.Service);
    reportProblems([...unreadableFiles, ...files.flatMap(problemsOf), ...cluster.problems]);
    this.#noteIgnoredKinds(files);
  }

  #noteIgnoredKinds(files: readonly KnownFile[]): void {
    const kinds = new Set(files.flatMap(({ read }) => [...read.ignoredKinds]));
    const text = [...kinds].sort().join(", ");
    if (text !== this.#ignoredKinds && text !== "") {
      this.#options.note(`ignored in ${this.#options.directory}: objects of kind ${text}`);
    }
    this.#ignoredKinds = text;
  }
}

function problemsOf({ read, lastGood }: KnownFile): Problem[] {
  const consequence = lastGood ? "its previous content stays in use" : "this file is ignored";
  return read.problems.map((problem) =>
    problem.isHarmless ? problem : { ...problem, message: `${problem.message} (${consequence})` },
  );
}

/** Sorted, so that the file system does not decide which of two definitions counts. */
export async function manifestNames(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
}

function unreadable(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `cannot be read: ${reason}; check its path and permissions`;
}
