// A program that prints what changes in the kernel for as long as it runs (`ip monitor`,
// `nft monitor`) → its lines. It is started again when it ends, and can be replaced while it runs
// without a change being missed. What the lines mean is ip-lines.ts's and nft-lines.ts's.
//
// Such a program has no way to say that it has begun to listen, which for nft takes as long as
// reading every set of the node; so the kernel is asked, which lists all netlink sockets.

import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { shortageForProgram } from "../shortage.ts";
import { MONITOR_MARK } from "./former-monitors.ts";

const LISTENING_CHECK_MS = 25;
/** A program that does not listen after this long is ended, and started again later. */
const LISTENING_TIMEOUT_MS = 60_000;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 30_000;
/** What a program that is replaced has not printed yet, it prints meanwhile. */
const OVERLAP_MS = 1_000;
/** What listened for this long had nothing wrong with it: the next failure is a first one. */
const STEADY_MS = 60_000;
/** A line that is longer is none of those that matter: of a set with thousands of elements, say. */
const MAX_LINE_BYTES = 4_096;

export interface MonitorProgramOptions {
  program: string;
  args: readonly string[];
  /** Protocol number of its netlink socket (linux/netlink.h): 0 route, 12 netfilter. */
  netlinkProtocol: number;
  clock: Clock;
  /** Called for each process that is started; what it returns is called with that one's lines. */
  reader: () => (line: string) => void;
  /** It printed this on its standard error, and may go on. */
  onComplaint?: (text: string) => void;
  /** It begins to listen; what changed before may have been missed. Not after a replacement. */
  onListening: () => void;
  /** It ended by itself, or could not be started. */
  onEnded: (reason: string, retryInMs: number) => void;
}

export class MonitorProgram {
  readonly #options: MonitorProgramOptions;
  #current: Run | undefined;
  /** It takes the place of `#current` as soon as it listens. */
  #next: Run | undefined;
  #former: Run | undefined;
  #failures = 0;
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
      ended: (reason) => this.#ended(reason),
    });
  }

  /**
   * Starts another one and ends the present one when that has listened for a while; lines of both
   * come meanwhile. Does nothing while one is replaced already, or while none listens.
   */
  replace(): void {
    if (!this.isListening || this.#next || this.#former) return;
    const next = new Run(this.#options, {
      listening: () => this.#take(next),
      ended: (reason) => {
        if (this.#current === next) this.#ended(reason);
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

  #ended(reason: string): void {
    const { clock, onEnded } = this.#options;
    const since = this.#current?.listeningSince;
    if (since !== undefined && clock.now() - since >= STEADY_MS) this.#failures = 0;
    const retryInMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#next?.end();
    this.#next = undefined;
    this.#current = undefined;
    this.#cancelRetry = clock.after(retryInMs, () => this.start());
    onEnded(reason, retryInMs);
  }
}

interface RunEvents {
  listening: () => void;
  /** Not after end(). */
  ended: (reason: string) => void;
}

/** One process, from its start to its end. */
class Run {
  listeningSince: number | undefined;
  readonly #options: MonitorProgramOptions;
  #events: RunEvents;
  /** Undefined: no descriptors were left to start it. */
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
      process.nextTick(() => this.#over(`spawn ${program} ${shortage.code}`));
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
    child.on("error", (error) => this.#over(error.message));
    child.on("close", (code, signal) => {
      const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
      this.#over([how, this.#stderr.trim()].filter((text) => text !== "").join(": "));
    });
    this.#checkListening(clock.now() + LISTENING_TIMEOUT_MS);
  }

  /** From now on its end is nothing to be called for. */
  forgive(): void {
    this.#events = { listening: () => {}, ended: () => {} };
  }

  end(): void {
    this.#isOver = true;
    this.#cancelCheck();
    this.#child?.kill("SIGKILL");
  }

  #over(reason: string): void {
    if (this.#isOver) return;
    this.end();
    this.#events.ended(reason);
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
        this.#over(`${program} did not listen within ${LISTENING_TIMEOUT_MS / 1_000} s`);
      }
    });
  }
}

/**
 * Whether a process listens to kernel notifications: its first netlink socket has its pid as
 * address (netlink(7)), and a socket that listens has groups.
 */
async function listens(pid: number | undefined, protocol: number): Promise<boolean> {
  const sockets = await readFile("/proc/net/netlink", "utf8").catch(() => "");
  return sockets.split("\n").some((line) => {
    const [, eth, portId, groups] = line.trim().split(/\s+/);
    return Number(eth) === protocol && Number(portId) === pid && !/^0*$/.test(groups ?? "");
  });
}
