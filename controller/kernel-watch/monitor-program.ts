// A program that prints changes of the kernel while it runs (`ip monitor`, `nft monitor`) → its
// lines. This restarts it when it ends, and can replace it while it runs without missing a change.
// ip-lines.ts and nft-lines.ts know what the lines mean.
//
// Such a program cannot report that it has started to listen, which for nft takes as long as
// reading every set of the node; so this asks the kernel, which lists all netlink sockets.

import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Clock } from "../system/clock.ts";
import { isShortage, shortageForProgram } from "../system/shortage.ts";
import { MONITOR_MARK } from "./former-monitors.ts";
import { RestartDelay } from "./restart-delay.ts";

const LISTENING_CHECK_MS = 25;
/** A program that does not listen after this long is ended, and restarted later. */
const LISTENING_TIMEOUT_MS = 60_000;
/** Time for a replaced program to print what it has not printed yet. */
const OVERLAP_MS = 1_000;
/** Longer lines do not matter: they are of a set with thousands of elements, say. */
const MAX_LINE_BYTES = 4_096;

interface MonitorProgramOptions {
  program: string;
  args: readonly string[];
  /** Protocol number of its netlink socket (linux/netlink.h): 0 route, 12 netfilter. */
  netlinkProtocol: number;
  clock: Clock;
  /** Called for each started process; the returned function receives that process's lines. */
  reader: () => (line: string) => void;
  /** It printed this on its standard error, and may keep running. */
  onComplaint?: (text: string) => void;
  /** It starts to listen; earlier changes may have been missed. Not called after a replacement. */
  onListening: () => void;
  /** It ended by itself, or could not be started. */
  onEnded: (reason: string, retryInMs: number) => void;
}

export class MonitorProgram {
  readonly #options: MonitorProgramOptions;
  #current: Run | undefined;
  /** It replaces `#current` as soon as it listens. */
  #next: Run | undefined;
  #former: Run | undefined;
  readonly #delay = new RestartDelay();
  #cancelRetry = () => {};
  #cancelFormer = () => {};

  constructor(options: MonitorProgramOptions) {
    this.#options = options;
  }

  get isListening(): boolean {
    return this.#current?.listeningSince !== undefined;
  }

  start(): void {
    this.#current = new Run(this.#options, {
      listening: () => this.#options.onListening(),
      ended: (...how) => this.#ended(...how),
    });
  }

  /**
   * Starts another one, and ends the present one when the new one has listened for a while; lines
   * of both come meanwhile. Does nothing during a replacement, or while none listens.
   */
  replace(): void {
    if (!this.isListening || this.#next || this.#former) return;
    const next = new Run(this.#options, {
      listening: () => this.#take(next),
      ended: (...how) => {
        if (this.#current === next) this.#ended(...how);
        else this.#next = undefined;
      },
    });
    this.#next = next;
  }

  stop(): void {
    this.#cancelRetry();
    this.#cancelFormer();
    this.#current?.end();
    this.#next?.end();
    this.#current = undefined;
    this.#next = undefined;
  }

  #take(next: Run): void {
    const former = this.#current;
    this.#former = former;
    this.#current = next;
    this.#next = undefined;
    former?.forgive();
    const cancel = this.#options.clock.after(OVERLAP_MS, () => this.#cancelFormer());
    this.#cancelFormer = () => {
      cancel();
      former?.end();
      this.#former = undefined;
    };
  }

  #ended(reason: string, isShortage: boolean): void {
    const { clock, onEnded } = this.#options;
    const since = this.#current?.listeningSince;
    const listenedMs = since === undefined ? undefined : clock.now() - since;
    const retryInMs = this.#delay.after({ listenedMs, isShortage });
    this.#next?.end();
    this.#next = undefined;
    this.#current = undefined;
    this.#cancelRetry = clock.after(retryInMs, () => this.start());
    onEnded(reason, retryInMs);
  }
}

interface RunEvents {
  listening: () => void;
  /** Not called after end(). `isShortage`: too few descriptors were left to start it. */
  ended: (reason: string, isShortage: boolean) => void;
}

/** One process, from its start to its end. */
class Run {
  listeningSince: number | undefined;
  readonly #options: MonitorProgramOptions;
  #events: RunEvents;
  /** Undefined: too few descriptors were left to start it. */
  readonly #child: ChildProcess | undefined;
  readonly #onLine: (line: string) => void;
  #isOver = false;
  #partial = "";
  #stderr = "";
  #cancelCheck = () => {};

  constructor(options: MonitorProgramOptions, events: RunEvents) {
    this.#options = options;
    this.#events = events;
    const { program, args, clock, onComplaint } = options;
    this.#onLine = options.reader();
    const shortage = shortageForProgram();
    if (shortage) {
      process.nextTick(() => this.#over(`spawn ${program} ${shortage.code}`, true));
      return;
    }
    const env = { ...process.env, [MONITOR_MARK]: String(process.pid) };
    const child = spawn(program, [...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#printed(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-500);
      if (!this.#isOver) onComplaint?.(text.trim());
    });
    child.on("error", (error) => this.#over(error.message, isShortage(error)));
    child.on("close", (code, signal) => {
      const how = signal === null ? `exited with ${code}` : `was killed by ${signal}`;
      this.#over([how, this.#stderr.trim()].filter((text) => text !== "").join(": "));
    });
    this.#checkListening(clock.now() + LISTENING_TIMEOUT_MS);
  }

  /** From now on its end is not reported. */
  forgive(): void {
    this.#events = { listening: () => {}, ended: () => {} };
  }

  end(): void {
    this.#isOver = true;
    this.#cancelCheck();
    this.#child?.kill("SIGKILL");
  }

  #over(reason: string, isShortage = false): void {
    if (this.#isOver) return;
    this.end();
    this.#events.ended(reason, isShortage);
  }

  #printed(text: string): void {
    if (this.#isOver) return;
    const lines = (this.#partial + text).split("\n");
    this.#partial = (lines.pop() ?? "").slice(0, MAX_LINE_BYTES);
    for (const line of lines) this.#onLine(line);
  }

  #checkListening(deadline: number): void {
    const { clock, program, netlinkProtocol } = this.#options;
    this.#cancelCheck = clock.after(LISTENING_CHECK_MS, async () => {
      const isListening = await listens(this.#child?.pid, netlinkProtocol);
      if (this.#isOver) return;
      if (isListening) {
        this.listeningSince = clock.now();
        this.#events.listening();
      } else if (clock.now() < deadline) {
        this.#checkListening(deadline);
      } else {
        this.#over(`${program} did not start listening within ${LISTENING_TIMEOUT_MS / 1_000} s`);
      }
    });
  }
}

/**
 * Reports whether a process listens to kernel notifications: its first netlink socket has its pid
 * as address (netlink(7)), and a listening socket has groups.
 */
async function listens(pid: number | undefined, protocol: number): Promise<boolean> {
  const sockets = await readFile("/proc/net/netlink", "utf8").catch(() => "");
  return sockets.split("\n").some((line) => {
    const [, eth, portId, groups] = line.trim().split(/\s+/);
    return Number(eth) === protocol && Number(portId) === pid && !/^0*$/.test(groups ?? "");
  });
}
