import { pino } from "pino";
import { expect, it } from "vitest";
import type { KernelEvents } from "../kernel-watch/kernel-watch.ts";
import { KernelRepairs } from "./kernel-repairs.ts";

const FLUSH: KernelEvents["nftables"] = {
  process: "nft",
  pid: 7,
  isCertain: true,
  isStructural: false,
  removed: ["delete element"],
  removedCount: 1,
  addedCount: 0,
};

/** Repairs with a watch and a sync that the test controls; `asked` has the requests to the sync. */
function repairsOf(state: { isProgrammed: boolean }) {
  const asked: string[] = [];
  const listeners: Partial<Record<keyof KernelEvents, (event: never) => void>> = {};
  const repairs = new KernelRepairs({
    watch: {
      listen: (kind, listener) => {
        listeners[kind] = listener;
      },
      isWatching: () => true,
    },
    // Every timer is due immediately.
    clock: {
      now: () => 0,
      after: (_ms, act) => {
        act();
        return () => {};
      },
    },
    log: pino({ enabled: false }),
    routeTable: 4100,
    isProgrammed: () => state.isProgrammed,
    requestFull: () => asked.push("full"),
    rewriteKernel: () => asked.push("rewrite"),
    repaired: () => {},
  });
  const emit = <K extends keyof KernelEvents>(kind: K, event: KernelEvents[K]) =>
    listeners[kind]?.(event as never);
  return { repairs, asked, emit };
}

it("has what others change rewritten at once", () => {
  const { asked, emit } = repairsOf({ isProgrammed: true });
  emit("nftables", FLUSH);
  expect(asked).toEqual(["rewrite", "full"]);
});

it("asks for nothing before the first sync begins, which writes everything", () => {
  const state = { isProgrammed: false };
  const { repairs, asked, emit } = repairsOf(state);
  emit("nftables", FLUSH);
  emit("missed", { of: "nftables", why: "the watch started" });
  repairs.began(false);
  state.isProgrammed = true;
  repairs.succeeded(false);
  expect(asked).toEqual([]);
});

it.each<[string, keyof KernelEvents, KernelEvents[keyof KernelEvents]]>([
  ["a change of the table", "nftables", FLUSH],
  ["changes that may have been missed", "missed", { of: "nftables", why: "the watch started" }],
  [
    "a rule that is removed",
    "rule",
    { kind: "rule", isRemoval: true, text: "1: from all fwmark 0x1000/0x1000 lookup 4100" },
  ],
])("of %s while the first sync is under way, looks once it is over", (_, kind, event) => {
  const state = { isProgrammed: false };
  const { repairs, asked, emit } = repairsOf(state);
  repairs.began(false);
  emit(kind, event as never);
  expect(asked).toEqual([]);
  state.isProgrammed = true;
  repairs.succeeded(false);
  expect(asked).toEqual(["rewrite", "full"]);
  repairs.succeeded(true);
  expect(asked).toEqual(["rewrite", "full"]);
});

it("asks for nothing while the node is drained", () => {
  const { repairs, asked, emit } = repairsOf({ isProgrammed: false });
  repairs.began(true);
  emit("nftables", FLUSH);
  repairs.succeeded(true);
  expect(asked).toEqual([]);
});
