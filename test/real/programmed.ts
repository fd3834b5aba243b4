// What a node's data plane has programmed, read from Envoy and the kernel themselves, and what it
// should have by the node view: both as lines of text, to be compared.

import { addressAndPort } from "../../controller/model/ip.ts";
import { cidrOfAddress } from "../../controller/node/cidr-set.ts";
import type { CaptureSet } from "../../controller/node/types.ts";
import type { Table } from "../../controller/sync/plan.ts";
import type { TableClient } from "../../controller/table/client.ts";
import { decodeRecord } from "../../controller/wire/decode.ts";
import { textFromRecords } from "../../controller/wire/dump.ts";
import { familyOfText } from "../cases/topology.ts";
import type { Namespace } from "../namespaces/namespace.ts";

/** Sorted lines, one for each frontend of the table and for each element of a kernel set. */
export type Programmed = readonly string[];

export function programmedFrom(table: Table, capture: CaptureSet): Programmed {
  const { frontends, clusterIPs, serviceCIDRs, localBackendAddresses } = capture;
  const line = (set: string, element: string, rest = "") =>
    `${set}_${familyOfText(element) === "IPv4" ? "v4" : "v6"} ${element}${rest}`;
  return [
    ...[...table.values()].map(({ record }) => textFromRecords([decodeRecord(record)])),
    ...[...frontends].map(([key, { verdict }]) => line("frontends", key, ` ${verdict}`)),
    ...[...frontends.values()].flatMap(({ protocol, address, port, verdict }) => {
      if (protocol !== "UDP") return [];
      return line("host_udp", address, ` ${port} ${verdict === "refuse" ? verdict : "turn_round"}`);
    }),
    ...[...clusterIPs].map((address) => line("cluster_ips", address)),
    ...[...serviceCIDRs].map((cidr) => line("service_cidrs", cidr)),
    ...[...localBackendAddresses].map((address) => line("own_backends", address, ` ${address}`)),
    ...[...frontends].flatMap(([key, { isExternal, allowedSources }]) => [
      ...(isExternal ? [line("external", key)] : []),
      ...(allowedSources.length > 0 ? [line("restricted", key)] : []),
      ...allowedSources.map((source) => line("allowed_sources", key, ` ${source}`)),
    ]),
  ].sort();
}

/** Those of the table: the kernel's begin with the name of a set. */
export function recordLines(programmed: Programmed): string[] {
  return programmed.filter((line) => !/^\w+_v[46] /.test(line));
}

/** Those of UDP have addresses of their own, which are udp.ts's to test. */
export async function readProgrammed(table: TableClient, node: Namespace): Promise<Programmed> {
  const list = ["-j", "list", "table", "inet", "portico"];
  const [{ records }, { stdout }] = await Promise.all([table.dump(), node.exec("nft", list)]);
  const sets = (JSON.parse(stdout) as { nftables: NftObject[] }).nftables;
  return [
    ...records.map((record) => textFromRecords([record])),
    ...sets
      .map(({ map, set }) => map ?? set)
      .filter((each) => each !== undefined && !each.name.startsWith("udp_"))
      .flatMap(linesFromSet),
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
type NftKey = NftAddress | { concat: [NftAddress, string | number, number?, NftAddress?] };
type NftAddress = string | { prefix: { addr: string; len: number } };

function linesFromSet(set: NftSet | undefined): string[] {
  const lines = (set?.elem ?? []).map((element) => {
    if (!Array.isArray(element)) return textFromKey(element);
    const [key, verdict] = element;
    return `${textFromKey(key)} ${verdict.goto.target.replace("verdict_", "")}`;
  });
  return lines.map((line) => `${set?.name} ${line}`);
}

function textFromKey(key: NftKey): string {
  if (typeof key === "string" || "prefix" in key) return textFromAddress(key);
  const [address, protocol, port, source] = key.concat;
  const first = textFromAddress(address);
  if (port === undefined) return `${first} ${protocol}`;
  const frontend = `${addressAndPort(first, port)}/${String(protocol).toUpperCase()}`;
  return source === undefined ? frontend : `${frontend} ${textFromSource(source)}`;
}

/** nft leaves out the length of a prefix that is one address. */
function textFromSource(source: NftAddress): string {
  return typeof source === "string" ? cidrOfAddress(source) : textFromAddress(source);
}

function textFromAddress(address: NftAddress): string {
  return typeof address === "string" ? address : `${address.prefix.addr}/${address.prefix.len}`;
}
