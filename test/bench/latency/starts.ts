// A proxy is started: with nothing programmed, and again on top of what an earlier one programmed;
// and what it occupies once it has settled.

import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "./client.ts";
import type { Figures } from "./figures.ts";
import type { ServiceProxy } from "./service-proxy.ts";
import type { Stand } from "./stand.ts";

/** The garbage of the start is collected by then, if anything does it. */
const SETTLE_MS = 10_000;

/** Starts it cold; milliseconds until a client is answered. The others stand still meanwhile. */
export async function startCold(stand: Stand, proxy: ServiceProxy): Promise<number> {
  for (const other of stand.proxies) if (other !== proxy) other.pause();
  const begun = nowMs();
  await proxy.start();
  return stand.moved.untilServed(proxy, begun);
}

/** Cold starts and restarts, so many of each. */
export async function measureStarts(
  stand: Stand,
  proxy: ServiceProxy,
  figures: Figures,
  count: number,
): Promise<void> {
  for (let start = 0; start < count; start++) {
    await proxy.stop();
    await proxy.clean();
    const coldMs = await startCold(stand, proxy);
    figures.add(proxy.name, "start to first answer", "s", coldMs / 1_000);
    await proxy.atRest();
    await proxy.stop();
    await stand.moved.moveUnseen();
    const restartMs = await startCold(stand, proxy);
    figures.add(proxy.name, "restart to first answer that obeys", "s", restartMs / 1_000);
    await proxy.atRest();
  }
}

/** `when` stands after the figures' names. */
export async function measureMemory(
  proxy: ServiceProxy,
  figures: Figures,
  when = "",
): Promise<void> {
  await proxy.atRest();
  await delay(SETTLE_MS);
  const { main, envoy } = proxy.memory();
  figures.add(proxy.name, `memory${when}`, "MB", main / 1e6);
  if (envoy !== undefined) figures.add(proxy.name, `  Envoy's memory${when}`, "MB", envoy / 1e6);
}
