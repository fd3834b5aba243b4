// What others change in the kernel of this node → calls of listeners, within milliseconds: routing
// rules, routes, addresses, interfaces, Portico's nftables table, sysctls.
//
// It only watches: listeners decide what to do. They look at the state itself, and treat an event
// only as a reason to look. Events come late, twice, or not at all while a program that prints them
// restarts (`missed` says so afterwards); so every listener also looks periodically.
//
// How to add one: a kind here with its data, and a call of #emit.

import type { Clock } from "../system/clock.ts";
import { type IpChange, ipChangeFrom } from "./ip-lines.ts";
import { MonitorProgram } from "./monitor-program.ts";
import { type NftChange, NftLines } from "./nft-lines.ts";
import { type SettingChange, Settings } from "./settings.ts";

/** Kinds of events, and their data. */
export interface KernelEvents {
  /** Includes Portico's own. */
  rule: IpChange;
  route: IpChange;
  address: IpChange;
  link: IpChange;
  /** Another process changed Portico's table. */
  nftables: NftChange;
  /** One of the files given to watchSetting. */
  setting: SettingChange;
  /** It may have missed changes of these kinds: check everything that depends on them. */
  missed: Missed;
}

export interface Missed {
  of: "routing" | "nftables";
  why: string;
}

interface KernelWatchOptions {
  clock: Clock;
  /** Family and name of the table: "inet portico". */
  table: string;
  /** The name of Portico's processes that change it. */
  ownProcess: string;
  /**
   * Receives why it misses changes of these kinds at present; undefined when it sees them again.
   */
  onTrouble: (of: Missed["of"], why: string | undefined) => void;
}

/**
 * nft keeps every element that it has seen added until it ends, about 600 bytes each, whichever
 * changes it prints (nft 1.0.6); so it is replaced after this many.
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
      program: "ip",
      args: "-N monitor label rule route address link".split(" "),
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
      program: "nft",
      args: ["monitor"],
      netlinkProtocol: NETLINK_NETFILTER,
      // It reports missed changes as a line; its errors are about sets that it has forgotten.
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

  /** Makes changes of a file of /proc/sys events from now on, whether it exists or not. */
  watchSetting(path: string): void {
    this.#settings.add(path);
  }

  /** Reports whether all changes of these kinds are noticed at present. */
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
        this.#emit("missed", { of, why: "the watch started" });
      },
      onEnded: (reason: string) => onTrouble(of, reason),
    };
  }

  /** Replaces nft when it keeps too many elements. */
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
