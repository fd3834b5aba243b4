// This machine, as far as it says how much a measurement is worth.

import { availableParallelism, cpus, loadavg } from "node:os";

/** In one line: processors and what else they do. */
export function machine(): string {
  const [load = 0] = loadavg();
  const model = cpus()[0]?.model ?? "unknown";
  return `${availableParallelism()} CPUs (${model}), load ${load.toFixed(1)} before the bench`;
}

/** A warning when others use the machine; undefined when it is quiet. */
export function busyWarning(): string | undefined {
  const [load = 0] = loadavg();
  if (load < availableParallelism() / 2) return undefined;
  return (
    `THE MACHINE IS BUSY (load ${load.toFixed(1)}): rates and times mean little, and even CPU ` +
    "time suffers; look at the ratios of CPU time"
  );
}
