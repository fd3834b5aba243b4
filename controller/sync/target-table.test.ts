import { describe, expect, it } from "vitest";
import { MAX_BACKENDS } from "../../plugin/wire/layout.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Backend, Frontend } from "../node/types.ts";
import { TargetTable } from "./target-table.ts";

function backends(count: number): Backend[] {
  return Array.from({ length: count }, (_, index) => ({
    address: `10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
    port: 8080,
    local: false,
  }));
}

function frontend(number: number, backendCount: number): Frontend {
  return {
    key: `10.96.0.${number}:80/TCP`,
    family: "IPv4",
    address: `10.96.0.${number}`,
    port: 80,
    protocol: "TCP",
    kind: "ClusterIP",
    namespace: "shop",
    service: `s${number}`,
    portName: "",
    verdict: "keep",
    backends: backends(backendCount),
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

describe("TargetTable", () => {
  it("holds one entry for each frontend", () => {
    const table = new TargetTable();
    const { records } = table.apply([frontend(1, 2), frontend(2, 0)], []);
    expect(records).toContain("10.96.0.2:80/TCP");
    expect([...table.entries.values()].map((entry) => entry.backendCount)).toEqual([2, 0]);
    table.apply([], ["10.96.0.1:80/TCP"]);
    expect([...table.entries.keys()]).toEqual(["10.96.0.2:80/TCP"]);
  });

  it("refuses a frontend with too many backends by the name of the limit", () => {
    const table = new TargetTable();
    const big = frontend(1, MAX_BACKENDS + 1);
    table.apply([big], []);
    expect(table.entries.size).toBe(0);
    expect(table.problems()[0]?.object).toBe("Service shop/s1");
    expect(table.problems()[0]?.message).toContain("MAX_BACKENDS (65535)");
    expect([...table.leftOut]).toEqual([big.key]);
  });

  it("keeps the last good record of one that grows over the limit, and lets it recover", () => {
    const table = new TargetTable();
    table.apply([frontend(1, 3)], []);
    const big = frontend(1, MAX_BACKENDS + 1);
    table.apply([big], []);
    expect(table.entries.get(big.key)?.backendCount).toBe(3);
    expect(table.problems()).toHaveLength(1);
    expect(table.leftOut.size).toBe(0);
    table.apply([frontend(1, 4)], []);
    expect(table.entries.get(big.key)?.backendCount).toBe(4);
    expect(table.problems()).toEqual([]);
  });

  it("takes in what waited for room as soon as there is some", () => {
    const table = new TargetTable(2);
    table.apply([frontend(1, 1), frontend(2, 1), frontend(3, 1)], []);
    expect([...table.entries.keys()]).not.toContain("10.96.0.3:80/TCP");
    expect(table.problems()[0]?.message).toContain("MAX_FRONTENDS (2)");
    const { records, leftOut, problems } = table.apply([], ["10.96.0.1:80/TCP"]);
    expect(records).toContain("10.96.0.3:80/TCP");
    expect(leftOut).toEqual(["10.96.0.3:80/TCP"]);
    expect([...problems]).toEqual([["10.96.0.3:80/TCP", undefined]]);
    expect([...table.entries.keys()]).toEqual(["10.96.0.2:80/TCP", "10.96.0.3:80/TCP"]);
    expect(table.problems()).toEqual([]);
  });

  describe("of a frontend with a local list", () => {
    const both = { ...frontend(1, 3), verdict: "local", localBackends: backends(2) } as const;
    const LOCAL = "10.96.0.1:80/TCP local";

    it("holds an entry for each list, with keys of their own", () => {
      const table = new TargetTable();
      expect(table.apply([both], []).records).toEqual([both.key, LOCAL]);
      const entries = [...table.entries.values()];
      expect(entries.map(({ backendCount }) => backendCount)).toEqual([3, 2]);
      expect(entries[0]?.key).not.toEqual(entries[1]?.key);
    });

    it("forgets the local one when that is empty, and both when it is removed", () => {
      const table = new TargetTable();
      table.apply([both], []);
      expect(table.apply([{ ...both, localBackends: [] }], []).records).toContain(LOCAL);
      expect([...table.entries.keys()]).toEqual([both.key]);
      table.apply([both], []);
      expect(table.apply([], [both.key]).records).toEqual([both.key, LOCAL]);
      expect(table.entries.size).toBe(0);
    });

    it("takes in both or none", () => {
      const table = new TargetTable(2);
      table.apply([frontend(2, 1), both], []);
      expect([...table.entries.keys()]).toEqual(["10.96.0.2:80/TCP"]);
      expect([...table.leftOut]).toEqual([both.key]);
      table.apply([], ["10.96.0.2:80/TCP"]);
      expect([...table.entries.keys()]).toEqual([both.key, LOCAL]);
      expect(table.problems()).toEqual([]);
    });

    it("is refused while only the cluster list is in the table", () => {
      const table = new TargetTable(2);
      table.apply([frontend(1, 3), frontend(2, 1)], []);
      table.apply([both], []);
      expect(table.problems()[0]?.message).toContain("MAX_FRONTENDS (2)");
      expect([...table.leftOut]).toEqual([both.key]);
    });
  });
});
