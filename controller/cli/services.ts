// portico services: what the data plane really has programmed. Asks Envoy's table, not the
// controller's memory.

import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { addressAndPort } from "../model/ip.ts";
import { isLimited } from "../node/frontend-settings.ts";
import { settingsText } from "../node/settings-text.ts";
import type { Backend } from "../node/types.ts";
import { TableClient } from "../table/client.ts";
import { TableError } from "../table/table-error.ts";
import type { DecodedRecord } from "../wire/decode.ts";
import type { Ejection } from "../wire/ejected.ts";
import { type EjectedBackend, ejectedOf, ejectionText } from "../wire/ejection-list.ts";
import { type LimitCounts, limitCountsOf, limitTexts } from "../wire/limit-counts.ts";
import type { StatsEntry } from "../wire/stats.ts";
import { columns } from "./output.ts";

interface ServicesOptions {
  runDir: string;
  namespace?: string;
  output?: string;
}

/** Returns the command `portico services`, which asks Envoy and needs no controller. */
export function servicesCommand(): Command {
  return new Command("services")
    .argument("[name]", "show only this Service: NAME or NAMESPACE/NAME")
    .summary("list the Services that this node's Envoy serves")
    .description(
      "list the Services that this node's Envoy serves, with their backends.\n" +
        "Reads the data plane itself, so the list shows where connections go. connect() to a " +
        "Service without backends is refused. A frontend with externalTrafficPolicy Local has " +
        "two lines: clients from outside use the one marked so.",
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .option("-n, --namespace <namespace>", "show only Services of this namespace")
    .addOption(
      new Option("-o, --output <format>", "output format instead of a table").choices(["json"]),
    )
    .action(listServices);
}

async function listServices(name: string | undefined, options: ServicesOptions): Promise<void> {
  const { tableSocket } = runPaths(options.runDir);
  const client = new TableClient(tableSocket);
  try {
    const { version, records } = await client.dump().catch((error: Error) => {
      throw explained(error, tableSocket);
    });
    const ejections = (await client.ejected()) ?? [];
    const limits = records.some(hasLimits) ? ((await client.stats()) ?? []) : [];
    const wanted = records.flatMap((record) => {
      return matches(record, name, options.namespace) ? [listed(record, ejections, limits)] : [];
    });
    wanted.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    process.stdout.write(
      options.output === "json" ? asJson(version, wanted) : asTable(version, wanted),
    );
    if (name !== undefined && wanted.length === 0) {
      throw new Error(`this node's Envoy has no Service ${name}`);
    }
  } finally {
    client.close();
  }
}

/** Words the error for the operator at the terminal. */
function explained(error: Error, tableSocket: string): Error {
  if (!(error instanceof TableError) || error.code !== "unreachable") return error;
  const hint = error.message.includes("EACCES")
    ? "run this as the user that Envoy runs as"
    : "does `portico run` use this --run-dir, and does its log report that Envoy runs?";
  return new Error(`no Envoy answers on ${tableSocket}: ${hint}\n(${error.message})`);
}

/** A record, with those of its backends that are ejected for all clients, by place. */
interface ListedRecord extends DecodedRecord {
  ejected: ReadonlyMap<string, EjectedBackend>;
  /** What its limits allow and refused; absent where it has none. */
  limits?: LimitCounts;
}

function hasLimits({ settings }: DecodedRecord): boolean {
  return isLimited(settings);
}

function listed(
  record: DecodedRecord,
  ejections: readonly Ejection[],
  stats: readonly StatsEntry[],
): ListedRecord {
  const ejected = ejectedOf(record, record.protocol === "TCP" ? ejections : []);
  const limits = hasLimits(record) ? { limits: limitCountsOf(record, stats) } : {};
  return { ...record, ejected, ...limits };
}

/** Returns "random, 9 of at most 10 connections, 3 refused"; "-" for the defaults. */
function settingsOf({ settings, limits }: ListedRecord): string {
  const unlimited = { ...settings, maxConnections: 0, maxNewConnectionsPerSecond: 0 };
  const texts = limits ? [...settingsText(unlimited), ...limitTexts(settings, limits)] : [];
  return (limits ? texts : settingsText(settings)).join(", ") || "-";
}

function matches(record: DecodedRecord, name?: string, namespace?: string): boolean {
  if (namespace !== undefined && record.namespace !== namespace) return false;
  if (name === undefined) return true;
  return name === record.service || name === `${record.namespace}/${record.service}`;
}

/** Sorts by Service, then by how it is dialled: cluster IP first. */
function sortKey(record: DecodedRecord): string {
  const { namespace, service, kind, address, port, protocol, list } = record;
  return [namespace, service, kind, address, String(port).padStart(5, "0"), protocol, list].join(
    "\0",
  );
}

function asTable(version: number, records: readonly ListedRecord[]): string {
  if (version === 0) return "Envoy has no table yet: is the controller running?\n";
  if (records.length === 0) return "no Services\n";
  const heading = ["NAMESPACE", "SERVICE", "PORT", "TYPE", "FRONTEND", "SETTINGS", "BACKENDS"];
  return columns([heading, ...records.map(row)]);
}

function row(record: ListedRecord): string[] {
  const { namespace, service, portName, kind, address, port, protocol, backends } = record;
  const outside = record.list === "local" ? " from outside" : "";
  const frontend = `${addressAndPort(address, port)}/${protocol}${outside}`;
  const settings = settingsOf(record);
  return [
    namespace,
    service,
    portName,
    kind,
    frontend,
    settings,
    abbreviated(backends.map((backend) => backendText(backend, record.ejected))),
  ];
}

/** Returns "10.1.1.10:8080", with what the balancing of its Service needs, and if it fails. */
function backendText(
  { address, port, weight, isPreferred }: Backend,
  ejected: ListedRecord["ejected"],
): string {
  const place = addressAndPort(address, port);
  const failing = ejected.get(place);
  const words = [
    weight === undefined ? "" : `weight ${weight}`,
    isPreferred ? "preferred" : "",
    failing === undefined ? "" : ejectionText(failing),
  ];
  const more = words.filter((word) => word !== "").join(", ");
  return place + (more === "" ? "" : ` (${more})`);
}

/** Returns the first few backends, and how many more there are: operators read this table. */
function abbreviated(backends: readonly string[]): string {
  const shown = 8;
  if (backends.length === 0) return "none: connections are refused";
  const more = backends.length > shown ? `, and ${backends.length - shown} more` : "";
  return backends.slice(0, shown).join(", ") + more;
}

function asJson(version: number, records: readonly ListedRecord[]): string {
  const frontends = records.map(({ bytes: _bytes, keyBytes: _keyBytes, ejected, ...frontend }) => {
    return { ...frontend, ejected: [...ejected.values()] };
  });
  return `${JSON.stringify({ version, frontends }, null, 2)}\n`;
}
