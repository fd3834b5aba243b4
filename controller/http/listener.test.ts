import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { StoppedClock } from "../../test/stand-ins/stopped-clock.ts";
import { listen } from "../system/listen.ts";
import { Listener } from "./listener.ts";

const started: Listener[] = [];
afterEach(() => {
  for (const listener of started.splice(0)) listener.stop();
});

async function serverThatListens(): Promise<Server> {
  const server = createServer((_request, response) => void response.end("here"));
  await listen(server, { host: "127.0.0.1", port: 0 });
  return server;
}

/** Returns a listener whose attempts fail while `failures` are left. */
function listenerWith(failures: string[], hardFail = false) {
  const clock = new StoppedClock();
  const warned: [object, string][] = [];
  const listener = new Listener({
    attempt: async () => {
      const reason = failures.shift();
      if (reason !== undefined) throw new Error(reason);
      return serverThatListens();
    },
    failure: "It cannot listen",
    hardFail,
    clock,
    log: { warn: (fields, message) => void warned.push([fields, message]) },
  });
  started.push(listener);
  return { listener, clock, warned };
}

it("tries again every 5 s until it listens, and warns each time", async () => {
  const { listener, clock, warned } = listenerWith(["taken", "still taken"]);
  await listener.start();
  expect(listener.port).toBeUndefined();
  expect(clock.waiting.map(({ delayMs }) => delayMs)).toEqual([5_000]);
  clock.pass();
  await expect.poll(() => clock.waiting.length).toBe(1);
  clock.pass();
  await expect.poll(() => listener.port).toBeGreaterThan(0);
  expect(clock.waiting).toEqual([]);
  expect(warned).toEqual([
    [{ retryInMs: 5_000 }, "It cannot listen: taken"],
    [{ retryInMs: 5_000 }, "It cannot listen: still taken"],
  ]);
});

it("rejects where failing is fatal, and tries no more", async () => {
  const { listener, clock, warned } = listenerWith(["taken"], true);
  await expect(listener.start()).rejects.toThrow("It cannot listen: taken");
  expect([clock.waiting, warned]).toEqual([[], []]);
});

it("ends open connections when it stops", async () => {
  const { listener } = listenerWith([]);
  await listener.start();
  const connection = connect(listener.port ?? 0, "127.0.0.1");
  await once(connection, "connect");
  const ended = once(connection, "close");
  listener.stop();
  await ended;
  expect(listener.port).toBeUndefined();
});

it("takes back the next attempt when it stops", async () => {
  const { listener, clock } = listenerWith(["taken"]);
  await listener.start();
  listener.stop();
  expect(clock.waiting).toEqual([]);
});

it("does not go on listening, or trying, when it was stopped during an attempt", async () => {
  for (const failures of [[], ["taken"]]) {
    const { listener, clock } = listenerWith(failures);
    const starting = listener.start();
    listener.stop();
    await starting;
    expect(listener.port).toBeUndefined();
    expect(clock.waiting).toEqual([]);
  }
});
