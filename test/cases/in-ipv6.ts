// A case in IPv4 → the same case in IPv6: every address, CIDR and family that its text names is
// replaced by its counterpart. Names stay, so that both run the same objects in the same order.
//
//    10.96.0.10    fd00:96::a      Services: the last two bytes
//    10.1.2.10     fd00:1:2::a     Pods, as in test/namespaces/addresses.ts
//    192.0.2.1     fd00:2::1       nodes, and outside
//    127.0.0.1     ::1
//    203.0.113.9   fd00:203::9     the rest: the first byte as it reads, and the last

import type { ConnectionCase } from "./case.ts";

const ADDRESS = /\b(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+)|:(\d+))?\b/g;

export function inIPv6(one: ConnectionCase): ConnectionCase {
  const text = JSON.stringify({ ...one, name: "" });
  const other: ConnectionCase = JSON.parse(
    text.replaceAll(ADDRESS, counterpart).replaceAll('"IPv4"', '"IPv6"'),
  );
  return { ...other, name: `${one.name}, in IPv6` };
}

/** As String.replace wants it: the whole, a byte each, the prefix's length or the port. */
function counterpart(
  _: string,
  a: string,
  b: string,
  c: string,
  d: string,
  bits: string | undefined,
  port: string | undefined,
): string {
  const address = addressFrom(Number(a), Number(b), Number(c), Number(d));
  if (bits === "0") return "::/0";
  if (bits !== undefined) return `${address}/${96 + Number(bits)}`;
  return port === undefined ? address : `[${address}]:${port}`;
}

function addressFrom(a: number, b: number, c: number, d: number): string {
  const hex = (number: number) => (number === 0 ? "" : number.toString(16));
  if (a === 127) return "::1";
  if (a === 10 && b === 1) return `fd00:1:${c}::${hex(d)}`;
  if (a === 10) return `fd00:${b}::${hex(c * 256 + d)}`;
  return a === 192 ? `fd00:2::${hex(d)}` : `fd00:${a}::${hex(d)}`;
}
