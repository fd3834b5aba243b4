// What others change in the kernel of this node → calls of those who want to know, within
// milliseconds: routing rules, routes, addresses, interfaces, Portico's nftables table, sysctls.
//
// It only watches: what is to be done is the listeners' business, who look at the state itself and
// take an event for no more than a reason to look. Events come late, twice, and not at all while a
// program that prints them is started again (`missed` says so afterwards); so whatever hangs on one
// also has a period of its own.
//
// How to add one: a kind here with what it carries, and a call of #emit.

import type { Clock } from "../clock.ts";
import { type IpChange, ipChangeFrom } from "./ip-lines.ts";
import { MonitorProgram } from "./monitor-program.ts";
import { type NftChange, NftLines } from "./nft-lines.ts";
import { type SettingChange, Settings } from "./settings.ts";

/** Kinds of events, and what they carry. */
export interface KernelEvents {
  /** Portico's own too. */
  rule: IpChange;
  route: IpChange;
  address: IpChange;
  link: IpChange;
  /** Another process changed Portico's table. */
  nftables: NftChange;
  /** One of the files given to watchSetting. */
  setting: SettingChange;
  /** Changes of these kinds may have been missed: all that hangs on them is to be looked at. */
  missed: Missed;
}

export interface Missed {
  of: "routing" | "nftables";
  why: string;
}

export interface KernelWatchOptions {
  clock: Clock;
  /** Family and name of the table: "inet portico". */
  table: string;
  /** The name of the processes that change it for us. */
  ownProcess: string;
  /** Why changes of these kinds are not noticed at present; undefined when they are again. */
  onTrouble: (of: Missed["of"], why: string | undefined) => void;
}

/**
 * nft keeps every element that it has seen added until it ends, about 600 bytes each, whichever
 * changes it is to print (nft 1.0.6); so it is replaced after this many.
 */
const ELEMENTS_PER_NFT = 20_000;

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;

export class KernelWatch {
  readonly #listeners = new Map<keyof KernelEvents, ((event: never) => void)[]>();
  readonly #ip: MonitorProgram;
  readonly #nft: MonitorProgram;
  readonly #nftLines: NftLines;
  readonly #settings: Settings;

  constructor(options: KernelWatchOptions) {
    const { clock } = options;
    this.#ip = new MonitorProgram({
      ...{ program: "ip", args: "-N monitor label rule route address link".split(" ") },
      netlinkProtocol: NETLINK_ROUTE,
      reader: () => (line) => {
        const change = ipChangeFrom(line);
        if (change) this.#emit(change.kind, change);
      },
      // "netlink receive error No buffer space available (105)"
      onComplaint: (why) => this.#emit("missed", { of: "routing", why }),
      ...this.#programEvents("routing", options),
    });
    this.#nft = new MonitorProgram({
      ...{ program: "nft", args: ["monitor"], netlinkProtocol: NETLINK_NETFILTER },
      // What it misses it prints as a line; its complaints are about sets that it has forgotten.
      reader: () => this.#countingReader(this.#nftLines.reader()),
      ...this.#programEvents("nftables", options),
    });
    this.#nftLines = new NftLines({
      ...options,
      onChange: (change) => this.#emit("nftables", change),
      onMissed: (why) => this.#emit("missed", { of: "nftables", why }),
    });
    this.#settings = new Settings(clock, (change) => this.#emit("setting", change));
  }

  /** `listener` must be quick and must not throw. */
  listen<K extends keyof KernelEvents>(kind: K, listener: (event: KernelEvents[K]) => void): void {
    this.#listeners.set(kind, [...(this.#listeners.get(kind) ?? []), listener]);
  }

  /** A file of /proc/sys, there or not, whose changes are events from now on. */
  watchSetting(path: string): void {
    this.#settings.add(path);
  }

  /** Whether no change of these kinds is missed at present. */
  isWatching(of: Missed["of"]): boolean {
    return (of === "routing" ? this.#ip : this.#nft).isListening;
  }

  start(): void {
    this.#ip.start();
    this.#nft.start();
    this.#settings.start();
  }

  stop(): void {
    this.#ip.stop();
    this.#nft.stop();
    this.#settings.stop();
  }

  #programEvents(of: Missed["of"], { clock, onTrouble }: KernelWatchOptions) {
    return {
      clock,
      onListening: () => {
        onTrouble(of, undefined);
        this.#emit("missed", { of, why: "the watch began" });
      },
      onEnded: (reason: string) => onTrouble(of, reason),
    };
  }

  /** Replaces nft when it has kept too much. */
  #countingReader(read: (line: string) => void): (line: string) => void {
    let count = 0;
    return (line) => {
      read(line);
      if (!line.startsWith("add element ")) return;
      count += 1;
      if (count < ELEMENTS_PER_NFT) return;
      count = 0;
      this.#nft.replace();
    };
  }

  #emit<K extends keyof KernelEvents>(kind: K, event: KernelEvents[K]): void {
    for (const listener of this.#listeners.get(kind) ?? []) listener(event as never);
  }
}
