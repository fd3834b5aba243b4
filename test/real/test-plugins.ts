// Plugins for the tests of Envoy's configuration, compiled here: one that always sends connections
// to the same backend, with a table endpoint that answers or does not.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface TestPlugin {
  /** "address:port" of the backend of every connection. */
  backend: string;
  /** Whether the table endpoint answers requests; otherwise they wait for ever. */
  answers: boolean;
  /** Whether a new connection makes it loop for ever. */
  hangs?: boolean;
}

const ASC = resolve(import.meta.dirname, "../../node_modules/.bin/asc");

export function compileTestPlugin(plugin: TestPlugin): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "portico-plugin-"));
  try {
    writeFileSync(join(folder, "plugin.ts"), sourceOf(plugin));
    const options = ["--runtime", "stub", "--use", "abort=", "--outFile", "plugin.wasm"];
    execFileSync(ASC, ["plugin.ts", ...options], { cwd: folder });
    return readFileSync(join(folder, "plugin.wasm"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The same code under another build: an empty custom section at its end. */
export function withOtherBuild(wasm: Uint8Array, name: string): Buffer {
  const text = Buffer.from(name);
  return Buffer.concat([wasm, Buffer.from([0, text.length + 1, text.length]), text]);
}

function sourceOf({ backend, answers, hangs = false }: TestPlugin): string {
  return `
@external("env", "proxy_send_local_response")
declare function respond(code: u32, d: usize, dn: usize, b: usize, bn: usize, h: usize, hn: usize,
  grpc: i32): i32;
@external("env", "proxy_call_foreign_function")
declare function foreign(n: usize, nn: usize, a: usize, an: usize, r: usize, rn: usize): i32;
@external("env", "proxy_get_buffer_bytes")
declare function buffer(type: i32, start: u32, length: u32, out: usize, size: usize): i32;

const results: usize = memory.data(16);
const KEY = String.UTF8.encode("envoy.network.transport_socket.original_dst_address");
const SET = String.UTF8.encode("set_envoy_filter_state");
const BACKEND = String.UTF8.encode("${backend}");
const argument: usize = heap.alloc(256);
let build = "";

export function proxy_abi_version_0_2_1(): void {}
export function malloc(size: usize): usize { return heap.alloc(size); }
export function proxy_on_configure(id: u32, size: u32): u32 {
  buffer(7, 0, size, results, results + 4);
  build = String.UTF8.decodeUnsafe(load<usize>(results), load<usize>(results + 4));
  return 1;
}
export function proxy_on_request_body(id: u32, size: u32, end: u32): i32 { return 1; }
export function proxy_on_request_headers(id: u32, count: u32, end: u32): i32 {
  if (${!answers}) return 1;
  const text = '{"version":1,"wireVersion":1,"build":"' + build + '"}';
  const body = String.UTF8.encode(text);
  respond(200, 0, 0, changetype<usize>(body), body.byteLength, 0, 0, -1);
  return 1;
}
function field(at: usize, tag: u8, text: ArrayBuffer): usize {
  store<u8>(at, tag);
  store<u8>(at + 1, <u8>text.byteLength);
  memory.copy(at + 2, changetype<usize>(text), text.byteLength);
  return at + 2 + text.byteLength;
}
export function proxy_on_new_connection(id: u32): i32 {
  while (${hangs}) {}
  const end = field(field(argument, 0x0a, KEY), 0x12, BACKEND);
  store<u8>(end, 0x18);
  store<u8>(end + 1, 2);
  foreign(changetype<usize>(SET), SET.byteLength, argument, end + 2 - argument, results,
    results + 4);
  return 0;
}
`;
}
