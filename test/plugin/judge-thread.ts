// The thread in which a plugin is judged, so that one that loops can be ended (judge.ts).

import { parentPort, workerData } from "node:worker_threads";
import type { Rule } from "./rule.ts";
import { RULES } from "./rules.ts";
import { verdictOf } from "./verdict.ts";

const wasm = workerData as Uint8Array;

parentPort?.on("message", async (index: number) => {
  parentPort?.postMessage(await verdictOf(RULES[index] as Rule, wasm));
});
