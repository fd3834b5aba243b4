import { beforeEach, expect, it } from "vitest";
import { type Bridges, CALL_FILES } from "../capture/bridge-facts.ts";
import type { KernelEvents } from "../kernel-watch/kernel-watch.ts";
import { BridgeWatch } from "./bridge-watch.ts";

const NOTHING: Bridges = { names: [], calls: undefined, facts: facts() };
const UNSEEN = { bridge: "cni0", cidr: "10.1.9.0/24" };

let watch: BridgeWatch;
let listeners: Map<string, (event: object) => void>;
let settings: string[];
/** The timers that are due. */
let due: (() => void)[];
let present: Bridges | Error;
let looks: number;
let changes: number;
let reported: string[][];

function facts(...unseen: Bridges["facts"]["unseen"]): Bridges["facts"] {
  return { hasNetfilter: true, calling: [], unseen };
}

beforeEach(async () => {
  [listeners, settings, due, reported] = [new Map(), [], [], []];
  [present, looks, changes] = [NOTHING, 0, 0];
  watch = new BridgeWatch({
    watch: {
      listen: (kind, listener) => void listeners.set(kind, listener as never),
      watchSetting: (path) => void settings.push(path),
    },
    clock: {
      now: () => 0,
      after: (_, callback) => {
        due.push(callback);
        return () => {};
      },
    },
    read: async () => {
      looks += 1;
      if (present instanceof Error) throw present;
      return present;
    },
    planFor: async (calls) => ({ redirects: false, problems: calls?.IPv4 ? ["in the way"] : [] }),
    planned: ({ problems }) => void reported.push(problems),
    changed: () => {
      changes += 1;
    },
  });
  await watch.start();
});

async function happens(kind: keyof KernelEvents, path = ""): Promise<void> {
  listeners.get(kind)?.({ path });
  await passes();
}

/** Lets the time until the planned timers pass. */
async function passes(): Promise<void> {
  const planned = due.splice(0);
  for (const each of planned) each();
  await new Promise(setImmediate);
}

it("has the rules written again for a bridge's prefix, and not for a Pod's link", async () => {
  await happens("link");
  await happens("address");
  expect([looks, changes]).toEqual([3, 0]);
  present = { ...NOTHING, names: ["cni0"], facts: facts(UNSEEN) };
  await happens("address");
  await happens("link");
  expect(changes).toBe(1);
  present = { ...present, facts: facts({ ...UNSEEN, cidr: "10.1.7.0/24" }) };
  await happens("missed");
  expect(changes).toBe(2);
  present = NOTHING;
  await happens("link");
  expect(changes).toBe(3);
  expect(reported).toEqual([[]]);
});

it("looks once for events that come together", async () => {
  for (let each = 0; each < 50; each++) listeners.get("link")?.({});
  await happens("address");
  expect(looks).toBe(2);
});

it("follows the sysctls, and says what is in the way with them", async () => {
  expect(settings).toEqual(CALL_FILES);
  expect(settings.length).toBe(2);
  const calls = { IPv4: true, IPv6: false };
  present = { ...NOTHING, calls, facts: { ...facts(), hasNetfilter: false } };
  await happens("setting", "/proc/sys/net/ipv4/tcp_early_demux");
  expect([looks, changes]).toEqual([1, 0]);
  await happens("setting", settings[0]);
  expect([looks, changes]).toEqual([2, 1]);
  expect(reported).toEqual([[], ["in the way"]]);
  present = { ...present, calls: { IPv4: false, IPv6: false } };
  await happens("setting", settings[1]);
  expect(changes).toBe(1);
  expect(reported).toEqual([[], ["in the way"], []]);
});

it("takes what it cannot read for no change, and looks again a little later", async () => {
  present = new Error("ip: out of memory");
  await happens("link");
  expect([looks, changes, due.length]).toEqual([2, 0, 1]);
  present = { ...NOTHING, facts: facts(UNSEEN) };
  await passes();
  expect([looks, changes, due.length]).toEqual([3, 1, 0]);
});

it("looks no more once it is stopped", async () => {
  watch.stop();
  await happens("link");
  expect(looks).toBe(1);
});
