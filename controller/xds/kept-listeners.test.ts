import { describe, expect, it } from "vitest";
import { keptListeners } from "./kept-listeners.ts";
import type { Resource } from "./protos.ts";
import { captureListeners } from "./resources.ts";
import { DEFAULT_TCP_OPTIONS } from "./tcp-options.ts";

const PORTS = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
const OTHER_PORTS = { keep: 15501, host: 15502, local: 15503, masquerade: 15504 };
const WANTED = captureListeners(PORTS, ["IPv4"], DEFAULT_TCP_OPTIONS);
/** As read from a file. */
const PRESENT = JSON.parse(JSON.stringify(WANTED)) as Resource[];

describe("the capture listeners", () => {
  it("of a fresh Envoy are as wanted", () => {
    expect(keptListeners([], WANTED)).toEqual({ listeners: WANTED, outdated: [] });
  });

  it("of a living Envoy stay the very same", () => {
    const { listeners, outdated } = keptListeners(PRESENT, WANTED);
    expect(listeners).toHaveLength(4);
    for (const [index, listener] of listeners.entries()) expect(listener).toBe(PRESENT[index]);
    expect(outdated).toEqual([]);
  });

  it("of a living Envoy stay when others are wanted at their addresses, which is named", () => {
    const wanted = WANTED.map((each) => ({ ...each, tcp_backlog_size: { value: 128 } }));
    const { listeners, outdated } = keptListeners(PRESENT, wanted);
    expect(listeners).toEqual(PRESENT);
    expect(outdated).toEqual([
      ...["capture-keep", "capture-host", "capture-local", "capture-masquerade"],
    ]);
  });

  it("of a living Envoy get others beside them at other addresses", () => {
    const wanted = captureListeners(OTHER_PORTS, ["IPv4", "IPv6"], DEFAULT_TCP_OPTIONS);
    const first = keptListeners(PRESENT, wanted);
    expect(first.outdated).toEqual([]);
    expect(first.listeners.slice(0, 4)).toEqual(PRESENT);
    const added = first.listeners.slice(4);
    expect(added).toHaveLength(8);
    expect(added[0]).toEqual({ ...wanted[0], name: "capture-keep-0.0.0.0:15501" });
    expect(added[4]).toEqual(wanted[4]);
    expect(new Set(first.listeners.map(({ name }) => name)).size).toBe(12);
    expect(keptListeners(first.listeners, wanted)).toEqual(first);
    expect(keptListeners(first.listeners, WANTED).listeners).toEqual(first.listeners);
  });
});
