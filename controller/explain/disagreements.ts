// Where the data plane and the controller's knowledge differ, in words: operators need to read this
// first. After a change they may differ for the milliseconds that a sync takes.

import { addressAndPort } from "../model/ip.ts";
import type { Backend } from "../node/types.ts";
import type { KnownFrontend } from "./endpoints.ts";
import { serviceOf } from "./endpoints.ts";
import type { SetElement } from "./evidence.ts";
import type { LeftOut } from "./explanation.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { KernelWay } from "./kernel-way.ts";

/** What explain looked at, and the state of the kernel's part. */
interface Seen {
  key: string;
  knownFrontend: KnownFrontend | undefined;
  /** What the kernel's map of frontends has. */
  element: SetElement | undefined;
  table: KernelTable;
  /** The kernel's parts that are not as Portico left them. */
  changes: readonly string[];
  way: KernelWay;
  /** What could not be asked. */
  failures: readonly string[];
  lastSyncError: string;
}

/**
 * Returns in words where the kernel differs from what the controller wants, and what could not be
 * read. Empty when all is as it should be.
 */
export function kernelDisagreements(seen: Seen): string[] {
  const { key, knownFrontend, element, table, changes, way, failures, lastSyncError } = seen;
  const found: string[] = [...failures];
  if (table.size === 0)
    found.push("the kernel has no table inet portico: it hands nothing to Envoy");
  found.push(...changes);
  const verdict = element?.value?.replace(/^goto verdict_/, "");
  const wanted =
    knownFrontend &&
    `${serviceOf(knownFrontend.frontend)} with verdict ${knownFrontend.frontend.verdict}`;
  if (table.size > 0 && wanted && verdict === undefined) {
    found.push(`the kernel lacks ${key}: the controller has it as ${wanted}`);
  } else if (wanted && verdict !== undefined && verdict !== knownFrontend.frontend.verdict) {
    found.push(`the kernel has ${key} with verdict ${verdict}; the controller wants ${wanted}`);
  } else if (!wanted && verdict !== undefined) {
    found.push(
      `the kernel has ${key} with verdict ${verdict}; the controller has no Service for it`,
    );
  }
  for (const rule of way.unknownRules) {
    found.push(`explain cannot read this rule on the path, and ignores it: ${rule}`);
  }
  if (lastSyncError !== "") found.push(`the controller's last sync failed: ${lastSyncError}`);
  return found;
}

/**
 * `leftOut` are the endpoints that are not in this client's list; `listed` is Envoy's list,
 * undefined when there is none.
 */
export function backendDisagreements(
  knownFrontend: KnownFrontend | undefined,
  leftOut: readonly LeftOut[],
  listed: readonly Pick<Backend, "address" | "port">[] | undefined,
): string[] {
  if (!knownFrontend) return [];
  const { frontend, endpoints } = knownFrontend;
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
    ...(others.length > 0
      ? [`Envoy has backends that it should not have: ${others.join(", ")}`]
      : []),
  ];
}
