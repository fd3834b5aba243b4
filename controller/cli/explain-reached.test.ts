import { expect, test } from "vitest";
import { openSockets, reachedAmong } from "./explain-reached.ts";

// As Linux 6.18 prints them on a little-endian machine.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:3C29 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0A01010A:C350 0B01010A:1F90 01 00000000:00000000 00:00000000 00000000     0
   2: 010200C0:C351 0C01010A:1F90 02 00000000:00000000 00:00000000 00000000     0
   3: 0A01010A:C352 0C01010A:1F90 06 00000000:00000000 00:00000000 00000000     0
`;
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 010000FD00000100000000000A000000:C350 010000FD00000100000000000B000000:1F90 01 0:0
`;

test("open connections of these addresses, and to whom", () => {
  const of = (...sources: string[]) => [...openSockets(TCP, new Set(sources)).values()];
  const accepted = { place: "10.1.1.11:8080", isAccepted: true };
  expect(of("10.1.1.10")).toEqual([accepted]);
  const waiting = { place: "10.1.1.12:8080", isAccepted: false };
  expect(of("10.1.1.10", "192.0.2.1")).toEqual([accepted, waiting]);
  expect(of("10.1.1.11")).toEqual([]);
});

test("IPv6", () => {
  const sockets = openSockets(TCP6, new Set(["fd00:1:1::a"]));
  expect([...sockets.values()]).toEqual([{ place: "[fd00:1:1::b]:8080", isAccepted: true }]);
});

test("an empty list, and one that ends early", () => {
  expect(openSockets("", new Set(["10.1.1.10"])).size).toBe(0);
  expect(openSockets(TCP.slice(0, 100), new Set(["10.1.1.10"])).size).toBe(0);
});

test("a backend has it that accepted it, and none while all are silent", () => {
  const [first, second] = ["10.1.1.11:8080", "10.1.1.12:8080"];
  const accepted = (place: string) => ({ place, isAccepted: true });
  const waiting = (place: string) => ({ place, isAccepted: false });
  const none = { reached: undefined, waitingFor: [] };
  expect(reachedAmong([])).toEqual(none);
  expect(reachedAmong([accepted(first)])).toEqual({ reached: first, waitingFor: [] });
  expect(reachedAmong([waiting(first), accepted(second)])).toEqual({ ...none, reached: second });
  expect(reachedAmong([accepted(first), accepted(second)])).toEqual(none);
  const silent = [waiting(second), waiting(first), waiting(second)];
  expect(reachedAmong(silent)).toEqual({ ...none, waitingFor: [first, second] });
});
