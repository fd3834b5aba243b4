// A V8 CPU profile → the functions that had most of the time themselves. Pure.

import { columns } from "../../../controller/cli/output.ts";

/** As the inspector's Profiler.stop gives it; times in µs. */
interface CpuProfile {
  nodes: readonly {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number; columnNumber: number };
  }[];
  samples: readonly number[];
  timeDeltas: readonly number[];
}

/** Not the program's work. */
const ASIDE = new Set(["(idle)", "(root)"]);
const ROWS = 25;
/** A longer time between two samples: the program stood still, in the other proxy's turn. */
const STOOD_STILL_US = 1_000_000;

/** The text of a .cpuprofile → a table, the most expensive function first. */
export function selfTimes(text: string): string {
  const { nodes, samples, timeDeltas } = JSON.parse(text) as CpuProfile;
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? "";
    const elapsedUs = timeDeltas[index] ?? 0;
    if (elapsedUs > STOOD_STILL_US) continue;
    times.set(name, (times.get(name) ?? 0) + elapsedUs / 1_000);
  }
  const busy = [...times].filter(([name]) => !ASIDE.has(name)).sort(([, a], [, b]) => b - a);
  const totalMs = busy.reduce((sum, [, ms]) => sum + ms, 0);
  return columns([
    ["FUNCTION", "SELF, MS", "SHARE"],
    ["(all but idle)", totalMs.toFixed(0), ""],
    ...busy.slice(0, ROWS).map(([name, ms]) => {
      return [name, ms.toFixed(0), `${((100 * ms) / totalMs).toFixed(1)} %`];
    }),
  ]);
}

function nameOf({
  functionName,
  url,
  lineNumber,
  columnNumber,
}: CpuProfile["nodes"][0]["callFrame"]) {
  if (functionName !== "") return functionName;
  return `(anonymous) ${url.split("/").at(-1)}:${lineNumber + 1}:${columnNumber + 1}`;
}
