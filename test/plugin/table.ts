// Asking a host's table endpoint as the controller does; each answer is judged on the way.

import { addressAndPort, parseAddress } from "../../controller/model/ip.ts";
import type { Frontend } from "../../controller/node/types.ts";
import { type DecodedRecord, decodeFrame } from "../../controller/wire/decode.ts";
import { BUCKET_COUNT, MAX_FRAME_BYTES } from "../../plugin/wire/layout.ts";
import type { RequestOptions, WasmHost } from "../wasm/host.ts";
import type { LocalResponse } from "../wasm/stream.ts";
import { snapshot } from "../wasm/table-fixtures.ts";
import { Broken, expectSame } from "./rule.ts";

interface Version {
  version: number;
  wireVersion?: number;
  build?: string;
  frontends?: number;
}

/** The JSON object of an answer. */
export function objectIn(what: string, { status, body }: LocalResponse): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Reported below.
  }
  const start = JSON.stringify(body.toString("latin1", 0, 60));
  throw new Broken(`${what} is answered by ${status} ${start}, and has to be by a JSON object`);
}

export function versionOf(host: WasmHost, options: RequestOptions = {}): Version {
  const answer = host.request("GET", "/v1/version", undefined, options);
  expectSame("the status of GET /v1/version", answer.status, 200);
  const { version, ...rest } = objectIn("GET /v1/version", answer);
  if (!Number.isSafeInteger(version)) throw new Broken('GET /v1/version names no whole "version"');
  return { ...rest, version: version as number };
}

/** Pushes frames, each of which has to be applied. */
export function push(
  host: WasmHost,
  what: string,
  frames: Iterable<Uint8Array>,
  options: RequestOptions = {},
): void {
  for (const frame of frames) {
    const answer = host.request("POST", "/v1/frames", frame, options);
    if (answer.status === 200) continue;
    const text = answer.body.toString("utf8");
    throw new Broken(`${what} is answered by ${answer.status} ${text}, and has to be by 200`);
  }
}

/** All records that GET /v1/dump gives, and the version of its frames. */
export function dumpOf(host: WasmHost): { version: number; records: DecodedRecord[] } {
  const records: DecodedRecord[] = [];
  let version = 0;
  for (let first = 0; first < BUCKET_COUNT; ) {
    const path = `/v1/dump?first=${first}&count=${BUCKET_COUNT - first}`;
    const answer = host.request("GET", path);
    expectSame(`the status of GET ${path}`, answer.status, 200);
    const frame = decodeFrame(answer.body);
    if (frame.bucketCount === 0) throw new Broken(`GET ${path} gives a frame of no bucket`);
    expectSame(`the first bucket of GET ${path}`, frame.firstBucket, first);
    for (const record of frame.upserts) records.push(record);
    version = frame.version;
    first += frame.bucketCount;
  }
  return { version, records };
}

/** Breaks the rule unless the dump has the records of these frontends, and no others. */
export function expectTable(host: WasmHost, frontends: readonly Frontend[]): void {
  const wanted = new Map(
    decodeFrame(snapshot(frontends, 1, MAX_FRAME_BYTES)[0] as Uint8Array).upserts.map(entryOf),
  );
  const found = new Map(dumpOf(host).records.map(entryOf));
  for (const [name, bytes] of wanted) {
    if (!found.has(name)) throw new Broken(`the dump lacks ${name}`);
    if (found.get(name) !== bytes) throw new Broken(`the dump has ${name} not as it was pushed`);
  }
  for (const name of found.keys()) {
    if (!wanted.has(name)) throw new Broken(`the dump has ${name}, which was not pushed`);
  }
}

function entryOf({ address, port, protocol, list, bytes }: DecodedRecord): [string, string] {
  const name = `the ${list} list of ${addressAndPort(address, port)}/${protocol}`;
  return [name, Buffer.from(bytes).toString("hex")];
}

/** "10.1.0.1:8080" or "[fd00::1]:8080", with the address in its shortest form. */
export function canonicalPlace(text: string): string {
  const colon = text.lastIndexOf(":");
  const address = text.slice(0, colon).replace(/^\[|\]$/g, "");
  return `${parseAddress(address) ?? address} port ${text.slice(colon + 1)}`;
}
