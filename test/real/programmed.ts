// What a node's data plane has programmed, read from Envoy and the kernel themselves, and what it
// should have by the node view: both as lines of text, to be compared.

import type { CaptureSet } from "../../controller/node/types.ts";
import type { Table } from "../../controller/sync/plan.ts";
import type { TableClient } from "../../controller/table/client.ts";
import { decodeRecord } from "../../controller/wire/decode.ts";
import { textFromRecords } from "../../controller/wire/dump.ts";
import type { Namespace } from "../namespaces/namespace.ts";

/** Sorted lines, one for each frontend of the table and for each element of a kernel set. */
export type Programmed = readonly string[];

export function programmedFrom(table: Table, capture: CaptureSet): Programmed {
  const { verdicts, clusterIPs, serviceCIDRs, localEndpoints } = capture;
  return [
    ...[...table.values()].map(({ record }) => textFromRecords([decodeRecord(record)])),
    ...[...verdicts].map(([key, verdict]) => `frontends_v4 ${key} ${verdict}`),
    ...clusterIPs.map((address) => `cluster_ips_v4 ${address}`),
    ...serviceCIDRs.map((cidr) => `service_cidrs_v4 ${cidr}`),
    ...localEndpoints.map((address) => `own_backends_v4 ${address} ${address}`),
  ].sort();
}

export async function readProgrammed(table: TableClient, node: Namespace): Promise<Programmed> {
  const list = ["-j", "list", "table", "inet", "portico"];
  const [{ records }, { stdout }] = await Promise.all([table.dump(), node.exec("nft", list)]);
  const sets = (JSON.parse(stdout) as { nftables: NftObject[] }).nftables;
  return [
    ...records.map((record) => textFromRecords([record])),
    ...sets.flatMap(({ map, set }) => linesFromSet(map ?? set)),
  ].sort();
}

// As `nft -j` prints sets and maps: libnftables-json(5).
interface NftObject {
  set?: NftSet;
  map?: NftSet;
}
interface NftSet {
  name: string;
  /** Of a map: pairs of a key and a verdict. */
  elem?: (NftKey | [NftKey, { goto: { target: string } }])[];
}
type NftKey = string | { prefix: { addr: string; len: number } } | { concat: (string | number)[] };

function linesFromSet(set: NftSet | undefined): string[] {
  const lines = (set?.elem ?? []).map((element) => {
    if (!Array.isArray(element)) return textFromKey(element);
    const [key, verdict] = element;
    return `${textFromKey(key)} ${verdict.goto.target.replace("verdict_", "")}`;
  });
  return lines.map((line) => `${set?.name} ${line}`);
}

function textFromKey(key: NftKey): string {
  if (typeof key === "string") return key;
  if ("prefix" in key) return `${key.prefix.addr}/${key.prefix.len}`;
  const [address, protocol, port] = key.concat;
  if (port === undefined) return `${address} ${protocol}`;
  return `${address}:${port}/${String(protocol).toUpperCase()}`;
}
