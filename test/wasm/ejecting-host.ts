// A host whose connections fail and succeed, by backend, with what the plugin then answers.

import { decodeEjected, type Ejection } from "../../controller/wire/ejected.ts";
import type { ConnectOptions, OpenConnection, WasmHost } from "./host.ts";
import { AT, type WaitingHost } from "./waiting-host.ts";

/** The first backends of table-fixtures.ts. */
export const A = "10.1.0.1:8080";
export const B = "10.1.0.2:8080";
export const REFUSED = "delayed connect error: Connection refused";
/** Of Envoy's connect_timeout. */
export const TIMED_OUT = "";

export function client(number: number): string {
  return `10.2.${number >> 8}.${number & 0xff}:40000`;
}

/** Clients of tests. */
export const FIRST = { source: client(1) };
export const SECOND_CLIENT = { source: client(2) };
export const THIRD = { source: client(3) };

/** What the plugin answers to the controller. */
export function ejectionsOf(host: WasmHost): Ejection[] {
  const { status, body } = host.request("GET", "/v1/ejected");
  if (status !== 200) throw new Error(`status ${status}`);
  return decodeEjected(body);
}

/** "10.1.0.1:8080", or "10.1.0.1:8080 for 10.2.0.1". */
export function ejectionTexts(host: WasmHost): string[] {
  return ejectionsOf(host).map(({ backend, client: of }) => {
    const text = `${backend.address}:${backend.port}`;
    return of === undefined ? text : `${text} for ${of}`;
  });
}

/** The next attempt's backend, for a connection that is not made. */
export function pickOf(waiting: WaitingHost, options: ConnectOptions = {}, at = AT): string {
  const { envoy, end } = waiting.open(options, at);
  const picked = envoy.attempted[0] as string;
  end({ flags: 0x4, accepted: false });
  return picked;
}

/** How often each backend is picked. */
export function picksOf(
  waiting: WaitingHost,
  times: number,
  options: ConnectOptions = {},
  at = AT,
): Map<string, number> {
  const picks = new Map<string, number>();
  for (let i = 0; i < times; i++) {
    const picked = pickOf(waiting, options, at);
    picks.set(picked, (picks.get(picked) ?? 0) + 1);
  }
  return picks;
}

/** A connection whose first attempt goes to this backend. */
export function openTo(
  waiting: WaitingHost,
  backend: string,
  options: ConnectOptions = {},
  at = AT,
): OpenConnection {
  for (let i = 0; i < 5_000; i++) {
    const open = waiting.open(options, at);
    if (open.envoy.attempted[0] === backend) return open;
    open.end({ flags: 0x4, accepted: false });
  }
  throw new Error(`${backend} is never picked`);
}

/** A connection to this backend fails; then it ends. */
export function failAt(
  waiting: WaitingHost,
  backend: string,
  options: ConnectOptions & { reason?: string; at?: string } = {},
): void {
  const { reason = REFUSED, at, ...rest } = options;
  const { envoy, end } = openTo(waiting, backend, rest, at);
  envoy.fail(reason);
  waiting.pass(5);
  end({ flags: 0x24, accepted: false });
}

/** A connection to this backend is accepted, seen by a look; then it ends. */
export function succeedAt(
  waiting: WaitingHost,
  backend: string,
  options: ConnectOptions & { at?: string } = {},
): void {
  const { at, ...rest } = options;
  const { envoy, end } = openTo(waiting, backend, rest, at);
  envoy.accept();
  waiting.pass(5);
  end();
}
