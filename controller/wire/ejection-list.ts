// What the plugin has ejected → what that means for one list of backends, and for one client, in
// facts and in words. The rule is plugin/pick/ejected.ts's.

import { addressAndPort } from "../model/ip.ts";
import type { FrontendSettings } from "../node/types.ts";
import type { Ejection } from "./ejected.ts";

/** A backend of a list that fails. */
export interface EjectedBackend extends Ejection {
  /** Picks leave it out. False: too many others are, or one connection may try it. */
  isLeftOut: boolean;
}

const REASON_TEXTS: Record<Ejection["reason"], string> = {
  refused: "connection refused",
  "timed-out": "no answer in time",
  unreachable: "no route to it",
};

interface Place {
  address: string;
  port: number;
}

function isOf({ client }: Ejection, asked: string | undefined): boolean {
  return client === undefined || client === asked;
}

interface EjectedList {
  backends: readonly Place[];
  settings: Pick<FrontendSettings, "balancing" | "ejection">;
}

/**
 * Returns the ejected backends of a TCP list by their place, "10.1.1.11:8080", for all clients;
 * with `client`, those that are ejected for it alone too. At most half of a list is left out, the
 * first ejected, unless it fails over; and none where all are. Empty where ejection is off.
 */
export function ejectedOf(
  { backends, settings }: EjectedList,
  ejections: readonly Ejection[],
  client?: string,
): Map<string, EjectedBackend> {
  const found = new Map<string, EjectedBackend>();
  if (ejections.length === 0 || !settings.ejection) return found;
  const listed = new Set(backends.map(({ address, port }) => addressAndPort(address, port)));
  for (const ejection of ejections) {
    const place = addressAndPort(ejection.backend.address, ejection.backend.port);
    if (!listed.has(place) || !isOf(ejection, client)) continue;
    const before = found.get(place);
    if (before && before.secondsLeft >= ejection.secondsLeft) continue;
    found.set(place, { ...ejection, isLeftOut: ejection.secondsLeft > 0 });
  }
  const out = [...found.values()].filter(({ isLeftOut }) => isLeftOut);
  const half = Math.floor(listed.size / 2);
  const most = settings.balancing === "failover" ? listed.size : half;
  for (const each of out.slice(out.length >= listed.size ? 0 : most)) each.isLeftOut = false;
  return found;
}

/** Returns "ejected, 3 s left: connection refused", or what else holds for it. */
export function ejectionText(ejected: EjectedBackend): string {
  const { secondsLeft, isProbed, isLeftOut, client } = ejected;
  const reason = REASON_TEXTS[ejected.reason];
  const whose = client === undefined ? "" : ` for ${client} alone`;
  if (secondsLeft === 0) return `failed${whose}: ${reason}; the next connection tries it`;
  if (isProbed) return `ejected${whose}, one connection tries it now: ${reason}`;
  const what = `ejected${whose}, ${Math.ceil(secondsLeft)} s left: ${reason}`;
  return isLeftOut ? what : `${what}; picked all the same, since half of the list or more fails`;
}

/** Returns how the last attempt failed, in words. */
export function reasonText({ reason }: Ejection): string {
  return REASON_TEXTS[reason];
}
