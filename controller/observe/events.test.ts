import { expect, it } from "vitest";
import {
  type EventNote,
  EventRecorder,
  type EventSeries,
  type EventSink,
  type WriteOutcome,
} from "./events.ts";
import { createLog } from "./log.ts";

const MINUTE_MS = 60_000;

/** A clock that stands still until a test moves it. */
function steppedClock() {
  const waiting: { at: number; callback: () => void }[] = [];
  const clock = {
    time: 0,
    now: () => clock.time,
    after: (delayMs: number, callback: () => void) => {
      const timer = { at: clock.time + delayMs, callback };
      waiting.push(timer);
      return () => {
        waiting.splice(waiting.indexOf(timer), 1);
      };
    },
    /** Runs everything that waits, step by step. */
    pass: async (milliseconds: number) => {
      clock.time += milliseconds;
      for (const timer of waiting.filter(({ at }) => at <= clock.time)) {
        waiting.splice(waiting.indexOf(timer), 1);
        timer.callback();
      }
      await settled();
    },
  };
  return clock;
}

/** Resolves when everything that is ready has run. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

class Written implements EventSink {
  readonly lines: string[] = [];
  answers: WriteOutcome[] = [];

  readonly names: string[] = [];

  async write({ subject, note, count, objectName }: EventSeries): Promise<WriteOutcome> {
    this.names.push(objectName);
    this.lines.push(`${subject.name}: ${note} ×${count}`);
    return this.answers.shift() ?? { outcome: "written" };
  }
}

function recorder(sink: EventSink | undefined) {
  const clock = steppedClock();
  const lines: string[] = [];
  const counts = { written: 0, shared: 0, dropped: 0, failed: 0 };
  const events = new EventRecorder({
    sink,
    clock,
    log: createLog("info", { write: (line) => lines.push(line) }),
    counted: (outcome) => {
      counts[outcome] += 1;
    },
  });
  return { clock, events, lines, counts };
}

function note(text: string, name = "web"): EventNote {
  return {
    subject: { apiVersion: "v1", kind: "Service", namespace: "shop", name, uid: "7" },
    type: "Warning",
    reason: "FailedToStartServiceHealthcheck",
    action: "Listen",
    note: text,
  };
}

it("writes a thing once, and its count when it repeats", async () => {
  const sink = new Written();
  const { clock, events, lines, counts } = recorder(sink);
  events.record(note("port taken"));
  await settled();
  expect(sink.lines).toEqual(["web: port taken ×1"]);
  for (let time = 0; time < 10; time++) {
    await clock.pass(MINUTE_MS / 2);
    events.record(note("port taken"));
    await settled();
  }
  expect(sink.lines.slice(1)).toEqual(["web: port taken ×2"]);
  await clock.pass(MINUTE_MS);
  events.record(note("port taken"));
  await settled();
  expect(sink.lines.slice(2)).toEqual(["web: port taken ×12"]);
  expect(lines).toHaveLength(1);
  expect(counts).toEqual({ written: 1, shared: 0, dropped: 0, failed: 0 });
});

it("takes what comes back after a while for news", async () => {
  const sink = new Written();
  const { clock, events } = recorder(sink);
  events.record(note("port taken"));
  await clock.pass(6 * MINUTE_MS);
  events.record(note("port taken"));
  await settled();
  expect(sink.lines).toEqual(["web: port taken ×1", "web: port taken ×1"]);
});

it("tells two things about one object apart", async () => {
  const sink = new Written();
  const { events } = recorder(sink);
  events.record(note("one"));
  events.record(note("two"));
  events.record(note("one", "api"));
  await settled();
  expect(sink.lines).toEqual(["web: one ×1", "web: two ×1", "api: one ×1"]);
});

it("gives what is the same on all nodes one name, and other things others", async () => {
  const one = new Written();
  const other = new Written();
  for (const sink of [one, other]) {
    const { events } = recorder(sink);
    const { subject } = note("one");
    events.record(note("one"));
    events.record(note("two"));
    events.record({ ...note("one"), subject: { ...subject, uid: "8" } });
    events.record(note("one", "w".repeat(300)));
    await settled();
  }
  expect(one.names).toEqual(other.names);
  expect(new Set(one.names).size).toBe(4);
  for (const name of one.names) expect(name).toMatch(/^(web|w{236})\.[0-9a-f]{16}$/);
});

it("leaves the count of a shared Event to its author, until that is forgotten", async () => {
  const sink = new Written();
  const { clock, events, counts } = recorder(sink);
  sink.answers = [{ outcome: "shared" }];
  for (let minute = 0; minute < 59; minute++) {
    events.record(note("port taken"));
    await clock.pass(MINUTE_MS);
  }
  expect(sink.lines).toEqual(["web: port taken ×1"]);
  expect(counts).toEqual({ written: 0, shared: 1, dropped: 0, failed: 0 });
  await clock.pass(MINUTE_MS);
  events.record(note("port taken"));
  await settled();
  expect(sink.lines).toEqual(["web: port taken ×1", "web: port taken ×1"]);
});

it("drops what one object has too much of, and lets the others go on", async () => {
  const sink = new Written();
  const { clock, events, counts, lines } = recorder(sink);
  for (let number = 0; number < 40; number++) events.record(note(`trouble ${number}`));
  events.record(note("trouble", "api"));
  await settled();
  expect(sink.lines).toHaveLength(26);
  expect(sink.lines.at(-1)).toBe("api: trouble ×1");
  expect(counts.dropped).toBe(15);
  expect(lines).toHaveLength(41);
  events.record(note("trouble 39"));
  await clock.pass(5 * MINUTE_MS);
  events.record(note("trouble 40"));
  events.record(note("trouble 41"));
  await settled();
  expect(sink.lines.slice(26)).toEqual(["web: trouble 40 ×1"]);
});

it("drops what is too much for all", async () => {
  const sink = new Written();
  const { clock, events } = recorder(sink);
  for (let number = 0; number < 120; number++) events.record(note("trouble", `web-${number}`));
  await settled();
  expect(sink.lines).toHaveLength(100);
  await clock.pass(2_000);
  for (let number = 0; number < 3; number++) events.record(note("trouble", `api-${number}`));
  await settled();
  expect(sink.lines.slice(100)).toEqual(["api-0: trouble ×1", "api-1: trouble ×1"]);
});

it("tries again what the API server could not take, and gives up at last", async () => {
  const sink = new Written();
  const { clock, events, counts } = recorder(sink);
  sink.answers = [{ outcome: "again", reason: "unreachable" }];
  events.record(note("port taken"));
  await settled();
  expect(sink.lines).toHaveLength(1);
  await clock.pass(10_000);
  expect(sink.lines).toHaveLength(2);
  expect(counts).toEqual({ written: 1, shared: 0, dropped: 0, failed: 0 });
  sink.answers = Array.from({ length: 20 }, () => ({ outcome: "again", reason: "unreachable" }));
  events.record(note("another"));
  for (let attempt = 0; attempt < 20; attempt++) await clock.pass(10_000);
  expect(sink.lines).toHaveLength(2 + 12);
  expect(counts).toEqual({ written: 1, shared: 0, dropped: 0, failed: 1 });
});

it("does not try again what was refused, and says why", async () => {
  const sink = new Written();
  const { clock, events, counts, lines } = recorder(sink);
  sink.answers = [{ outcome: "refused", reason: "events is forbidden" }];
  events.record(note("port taken"));
  await clock.pass(MINUTE_MS);
  expect(sink.lines).toHaveLength(1);
  expect(counts.failed).toBe(1);
  expect(lines.at(-1)).toContain("events is forbidden");
});

it("outlives a sink that throws", async () => {
  const { clock, events, counts } = recorder({ write: () => Promise.reject(new Error("bug")) });
  events.record(note("port taken"));
  for (let attempt = 0; attempt < 20; attempt++) await clock.pass(10_000);
  expect(counts.failed).toBe(1);
});

it("only logs where there is no API server", async () => {
  const { events, lines } = recorder(undefined);
  events.record(note("port taken"));
  events.record(note("port taken"));
  await settled();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "warn", object: "Service shop/web", msg: "port taken" },
  ]);
});

it("gives up waiting when it stops", async () => {
  const sink = new Written();
  const { clock, events } = recorder(sink);
  sink.answers = [{ outcome: "again", reason: "unreachable" }];
  events.record(note("port taken"));
  await settled();
  events.stop();
  events.record(note("another"));
  await clock.pass(MINUTE_MS);
  expect(sink.lines).toHaveLength(1);
});
