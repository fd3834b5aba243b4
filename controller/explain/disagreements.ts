// Where the data plane and the controller's knowledge differ, in words: what people have to hear
// before anything else. After a change they may differ for the milliseconds that a sync takes.

import { addressAndPort } from "../model/ip.ts";
import type { Backend } from "../node/types.ts";
import type { KnownDoor } from "./endpoints.ts";
import { serviceOf } from "./endpoints.ts";
import type { SetElement } from "./evidence.ts";
import type { LeftOut } from "./explanation.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { KernelWay } from "./kernel-way.ts";

/** What was looked at, and how the kernel's part of it is. */
export interface Seen {
  key: string;
  knownDoor: KnownDoor | undefined;
  /** What the kernel's map of frontends has. */
  element: SetElement | undefined;
  table: KernelTable;
  /** What of the kernel's part is not as Portico left it. */
  changes: readonly string[];
  way: KernelWay;
  /** Whom nobody could ask. */
  failures: readonly string[];
  lastSyncError: string;
}

export function kernelDisagreements(seen: Seen): string[] {
  const { key, knownDoor, element, table, changes, way, failures, lastSyncError } = seen;
  const found: string[] = [...failures];
  if (table.size === 0) found.push("the kernel has no table inet portico: it hands nothing over");
  found.push(...changes);
  const verdict = element?.value?.replace(/^goto verdict_/, "");
  const wanted =
    knownDoor && `${serviceOf(knownDoor.frontend)} with verdict ${knownDoor.frontend.verdict}`;
  if (table.size > 0 && wanted && verdict === undefined) {
    found.push(`the kernel lacks ${key}: the controller knows it as ${wanted}`);
  } else if (wanted && verdict !== undefined && verdict !== knownDoor.frontend.verdict) {
    found.push(`the kernel has ${key} with verdict ${verdict}; the controller wants ${wanted}`);
  } else if (!wanted && verdict !== undefined) {
    found.push(
      `the kernel has ${key} with verdict ${verdict}; the controller knows no Service of it`,
    );
  }
  for (const rule of way.unknownRules) {
    found.push(`a rule that explain cannot read stands in the way, and is left out here: ${rule}`);
  }
  if (lastSyncError !== "") found.push(`the controller's last sync failed: ${lastSyncError}`);
  return found;
}

/**
 * `leftOut` are those that are not in this client's list; `listed` is what Envoy has, undefined for
 * no such list.
 */
export function backendDisagreements(
  knownDoor: KnownDoor | undefined,
  leftOut: readonly LeftOut[],
  listed: readonly Pick<Backend, "address" | "port">[] | undefined,
): string[] {
  if (!knownDoor) return [];
  const { frontend, endpoints } = knownDoor;
  const isServed = frontend.verdict !== "refuse" && frontend.verdict !== "drop";
  if (!listed) return isServed ? [`Envoy has no list for ${frontend.key}`] : [];
  const out = new Set(leftOut.map(({ place }) => place));
  const all = endpoints.map(({ endpoint, port }) => addressAndPort(endpoint.address, port));
  const wanted = all.filter((place) => !out.has(place));
  const present = listed.map(({ address, port }) => addressAndPort(address, port));
  const lacking = [...new Set(wanted).difference(new Set(present))];
  const others = [...new Set(present).difference(new Set(wanted))];
  return [
    ...(lacking.length > 0
      ? [`Envoy lacks backends that it should have: ${lacking.join(", ")}`]
      : []),
    ...(others.length > 0 ? [`Envoy has backends that it should not: ${others.join(", ")}`] : []),
  ];
}
