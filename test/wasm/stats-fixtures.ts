// Asking the fake host what the plugin counted, and having it forget.

import { expect } from "vitest";
import { decodeStats, type StatsEntry } from "../../controller/wire/stats.ts";
import type { WasmHost } from "./host.ts";

export function statsOf(host: WasmHost, query = ""): StatsEntry[] {
  const { status, body } = host.request("GET", `/v1/stats${query}`);
  expect(status).toBe(200);
  return decodeStats(body);
}

export function forget(host: WasmHost, ...entries: readonly StatsEntry[]): void {
  const keys = Buffer.concat(entries.map(({ keyBytes }) => keyBytes));
  expect(host.request("POST", "/v1/stats/forget", keys).status).toBe(200);
}
