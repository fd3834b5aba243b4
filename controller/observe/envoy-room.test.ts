import { expect, it } from "vitest";
import type { Problem } from "../model/types.ts";
import { type EnvoyRoom, EnvoyRoomWatch } from "./envoy-room.ts";

const DNS = "udp/shop/dns/dns-udp/IPv4/internal";

/** An Envoy that can have 100 connections; a look is 5 s after the one before. */
function watched() {
  let waiting: { delayMs: number; callback: () => void } | undefined;
  let now = 0;
  let found: Omit<EnvoyRoom, "limit"> | undefined;
  let limit = 100;
  let limitsAsked = 0;
  /** How long an answer takes, or its absence. */
  let takesMs = 0;
  let socket = "/run/a/admin.sock";
  let reported: Problem[] = [];
  const watch = new EnvoyRoomWatch({
    clock: {
      now: () => now,
      after: (delayMs, callback) => {
        waiting = { delayMs, callback };
        return () => {
          waiting = undefined;
        };
      },
    },
    nodeName: "node-1",
    adminSocket: () => socket,
    report: (problems) => {
      reported = problems;
    },
    reader: {
      counts: async () => {
        now += takesMs;
        if (found === undefined) throw new Error("Envoy does not answer");
        return found;
      },
      limit: async () => {
        limitsAsked += 1;
        return limit;
      },
    },
  });
  const fire = async () => {
    const { delayMs = Number.NaN, callback = () => {} } = waiting ?? {};
    now += delayMs;
    callback();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const look = async (tcp: number, refusedTcp = 0, refusedUdp = 0) => {
    const udp = new Map(refusedUdp === 0 ? [] : [[DNS, refusedUdp]]);
    found = { open: { tcp, udpFlows: 7 }, refused: { tcp: refusedTcp, udp } };
    await fire();
    return reported.map(({ object, reason }) => `${object}: ${reason}`);
  };
  const another = (its: number) => {
    limit = its;
    watch.envoyConnected();
  };
  const takeOver = (its: number) => {
    limit = its;
    socket = "/run/b/admin.sock";
  };
  const lose = async () => {
    found = undefined;
    await fire();
  };
  const delayIfAnswersTake = (milliseconds: number) => {
    takesMs = milliseconds;
    return () => waiting?.delayMs;
  };
  const stop = watch.start();
  return {
    delayIfAnswersTake,
    watch,
    stop,
    look,
    lose,
    another,
    takeOver,
    reported: () => reported,
    limitsAsked: () => limitsAsked,
    isWaiting: () => waiting !== undefined,
  };
}

it("reports an Envoy that is nearly full, until it has room again", async () => {
  const { look } = watched();
  expect(await look(89)).toEqual([]);
  expect(await look(90)).toEqual(["Node node-1: EnvoyNearlyFull"]);
  expect(await look(80)).toEqual(["Node node-1: EnvoyNearlyFull"]);
  expect(await look(79)).toEqual([]);
  expect(await look(89)).toEqual([]);
});

it("reports that connections are refused, for a minute, in one sentence", async () => {
  const { look, reported } = watched();
  expect(await look(10, 2)).toEqual([]);
  expect(await look(100, 3)).toEqual(["Node node-1: EnvoyFull"]);
  const [{ message } = { message: "" }] = reported();
  expect(message).toMatch(/^Envoy has as many connections .*\(100\), and closes new ones at once/);
  expect(await look(100, 9)).toEqual(["Node node-1: EnvoyFull"]);
  expect(reported()[0]?.message).toBe(message);
  for (let seconds = 5; seconds <= 60; seconds += 5) {
    expect(await look(10, 9), `${seconds} s later`).toEqual(["Node node-1: EnvoyFull"]);
  }
  expect(await look(10, 9)).toEqual([]);
});

it("reports refusals before the first look if Envoy is still nearly full", async () => {
  expect(await watched().look(50, 3)).toEqual([]);
  expect(await watched().look(95, 3)).toEqual(["Node node-1: EnvoyFull"]);
});

it("names the Service whose UDP flows are refused", async () => {
  const { look, reported } = watched();
  expect(await look(1)).toEqual([]);
  expect(await look(1, 0, 2)).toEqual(["Service shop/dns: UDPFlowsRefused"]);
  expect(reported()[0]?.message).toContain(DNS);
  for (let looks = 0; looks < 12; looks += 1) await look(1, 0, 2);
  expect(await look(1, 0, 2)).toEqual([]);
  expect(await look(1, 0, 3)).toEqual(["Service shop/dns: UDPFlowsRefused"]);
});

it("takes the counts of another Envoy for what they are", async () => {
  const { look, another, watch } = watched();
  await look(10, 9);
  for (let looks = 0; looks < 13; looks += 1) await look(10, 9);
  another(50);
  expect(await look(45)).toEqual(["Node node-1: EnvoyNearlyFull"]);
  expect(watch.last?.limit).toBe(50);
  expect(await look(45, 1)).toEqual(["Node node-1: EnvoyFull"]);
});

it("asks an Envoy for its limit that takes over some time after it connected", async () => {
  const { look, watch, takeOver } = watched();
  await look(10);
  watch.envoyConnected();
  await look(10);
  takeOver(50);
  expect(await look(45)).toEqual(["Node node-1: EnvoyNearlyFull"]);
  expect(watch.last?.limit).toBe(50);
});

it("asks for the limit once, and for the rest until it is stopped", async () => {
  const { look, lose, watch, stop, limitsAsked, isWaiting } = watched();
  await look(1);
  await look(2);
  expect(limitsAsked()).toBe(1);
  expect(watch.last).toMatchObject({ open: { tcp: 2, udpFlows: 7 }, limit: 100 });
  await lose();
  expect(watch.last).toBeUndefined();
  await look(3);
  expect(watch.last?.open.tcp).toBe(3);
  stop();
  expect(isWaiting()).toBe(false);
});

it("looks again soon after one look without an answer, and less often after many", async () => {
  const { look, lose, delayIfAnswersTake } = watched();
  const delay = delayIfAnswersTake(2_000);
  await look(1);
  expect(delay()).toBe(200_000);
  const delays: unknown[] = [];
  for (let looks = 0; looks < 8; looks += 1) {
    await lose();
    delays.push(delay());
  }
  const seconds = [5, 10, 20, 40, 80, 160, 200, 200];
  expect(delays).toEqual(seconds.map((each) => each * 1_000));
  delayIfAnswersTake(10);
  await look(1);
  expect(delay()).toBe(5_000);
});
