// A folder of manifest files → the cluster state, and again whenever a file in it changes. Only the
// files directly in the folder whose names end in .yaml, .yml or .json, and do not begin with a
// dot. It survives what people and machines do to folders: editors that replace a file by renaming,
// ConfigMap mounts that swap the link ..data, a folder that goes and comes back.

import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Kind, KindTypes, Problem } from "../model/types.ts";
import { type ManifestFile, type ManifestObject, manifestFileFromText } from "./manifests-file.ts";
import { clusterObjectsFrom } from "./manifests-objects.ts";

export interface ManifestsOptions {
  directory: string;
  /** The cluster state; all kinds are replaced in one go. */
  sink: { replaceAll<K extends Kind>(kind: K, objects: readonly KindTypes[K][]): void };
  /** All present problems of the folder, whenever it was read. */
  reportProblems: (problems: readonly Problem[]) => void;
  /** Something worth a line in the log, though nothing is wrong. */
  note: (text: string) => void;
  clock: Clock;
  /** From the first sign of a change to reading: an editor writes a file in several steps. */
  debounceMs: number;
  /** The folder is read this often in any case; some file systems tell nobody of changes. */
  rescanMs: number;
}

interface KnownFile {
  text: string;
  read: ManifestFile;
  /** What the file said when it was last right. */
  lastGood: ManifestObject[] | undefined;
}

export class ManifestsSource {
  readonly #options: ManifestsOptions;
  readonly #files = new Map<string, KnownFile>();
  #watcher: FSWatcher | undefined;
  /** The inode that is watched: a new folder of the same name is another one. */
  #watchedInode: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #isHurried = false;
  #isStopped = false;
  #reading: Promise<void> = Promise.resolve();
  #ignoredKinds = "";

  constructor(options: ManifestsOptions) {
    this.#options = options;
  }

  /** Resolves when the folder was read once. If it cannot be, that is reported, and tried again. */
  async start(): Promise<void> {
    await this.#scan();
  }

  /** Resolves when nothing more will reach the sink. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#unwatch();
    await this.#reading;
  }

  /** The addresses of a Pod of the folder by "namespace/name"; none when there is no such Pod. */
  podAddresses(pod: string): readonly string[] {
    for (const { lastGood = [] } of this.#files.values()) {
      for (const { kind, object, value } of lastGood) {
        if (kind === "Pod" && object === `Pod ${pod}`) return value.podIPs;
      }
    }
    return [];
  }

  /** One reading at a time; a change meanwhile has set the timer again. */
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

  /** The first sign sets the time, later ones do not put it off. */
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

  /** Before reading, so that no change falls between the two. */
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

  /** Returns what is wrong with single files. */
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
  const consequence = lastGood ? "what it said before stays" : "nothing of this file is used";
  return read.problems.map((problem) =>
    problem.isHarmless ? problem : { ...problem, message: `${problem.message} (${consequence})` },
  );
}

/** Sorted, so that which of two definitions counts does not depend on the file system. */
export async function manifestNames(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
}

function unreadable(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `cannot be read: ${reason}; look at its path and its permissions`;
}
