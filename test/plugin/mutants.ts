// What is broken in each mutant, and the rules that find it. Every rule is found by one of them.

import type { Mutant } from "./mutant.ts";

interface KnownMutant extends Mutant {
  /** Beginnings of the names of rules that do not hold. */
  finds: readonly string[];
}

const KEY_FUNCTION = "function begin(key: usize, kind: u8, version: u32 = VERSION): usize {";
const KEY_BEGINS = `${KEY_FUNCTION}\n  store<u8>(key, LETTER_P);`;

const MODULE: readonly KnownMutant[] = [
  {
    file: "index.ts",
    before: "export { proxy_on_new_connection }",
    after: "export { proxy_on_new_connection as proxy_on_connection }",
    finds: ["is a module of proxy-wasm 0.2.1"],
  },
  {
    file: "abi/env.ts",
    before: "proxy_close_stream(stream: u32): u32",
    after: "proxy_close_stream(stream: u64): u32",
    finds: ["imports only functions that Envoy has"],
  },
  {
    file: "abi/env.ts",
    before: "export declare function proxy_close_stream",
    after: '@external("env", "proxy_end_stream")\nexport declare function proxy_close_stream',
    finds: ["imports only functions that Envoy has", "takes the roles"],
  },
  {
    file: "contexts/tick.ts",
    before: "export function proxy_on_tick(contextId: u32): void {",
    after: "export function proxy_on_tick(): void {\n  const contextId: u32 = 0;",
    finds: ["exports callbacks with the types"],
  },
  {
    file: "index.ts",
    before: "// Not a callback:",
    after:
      "export function proxy_on_downstream_data(c: u32, n: u32, e: u32): u32 {\n  return 0;\n}\n//",
    finds: ["leaves the bytes of connections"],
  },
];

const START: readonly KnownMutant[] = [
  {
    file: "contexts/root.ts",
    before: '"connection-local")',
    after: '"connection-nearby")',
    finds: ["takes the roles"],
  },
  {
    file: "contexts/configuration.ts",
    before: '"names")',
    after: '"name")',
    finds: ["takes the options", "names connections"],
  },
  {
    file: "contexts/root.ts",
    before: "if (!isLocal && !isOther) {",
    after: "if (false) {",
    finds: ["refuses a root_id"],
  },
  {
    file: "contexts/answer-table.ts",
    before: "addBytes(buildId(), buildIdSize())",
    after: "addBytes(buildId(), 0)",
    finds: ["answers GET /v1/version", "serves from its first connection"],
  },
  {
    file: "contexts/table-endpoint.ts",
    before: 'return sendError(404, "no such path: see ARCHITECTURE.md, The table\'s protocol");',
    after: "return ACTION_STOP;",
    finds: ["answers each request"],
  },
  {
    file: "contexts/done.ts",
    before: "endRoot();",
    after: "return 0;",
    finds: ["ends with its contexts", "goes on next to its successor"],
  },
];

const TABLE: readonly KnownMutant[] = [
  {
    file: "contexts/answer-table.ts",
    before: "addText('{\"version\":');\n  addNumber(head().version);\n  addText(',\"wire",
    after:
      "addText('{\"version\":');\n  addNumber(max<u64>(head().version, 1));\n  addText(',\"wire",
    finds: ["has no table", "refuses with 409"],
  },
  {
    file: "table/apply.ts",
    before: "current.version = frameVersion(frame);",
    after: "current.version = frameVersion(frame) + 1;",
    finds: ["takes a snapshot"],
  },
  {
    file: "contexts/table-endpoint.ts",
    before: "if (endOfStream === 0) return ACTION_STOP;",
    after: "",
    finds: ["takes a frame whose body"],
  },
  {
    file: "table/merge.ts",
    before: "&& sameKey(change.removals, key)",
    after: "&& false",
    finds: ["takes a delta"],
  },
  {
    file: "table/apply.ts",
    before: "if (!isSnapshot(frame)) return head().version === baseVersion(frame);",
    after: "if (!isSnapshot(frame)) return head().version <= baseVersion(frame);",
    finds: ["refuses with 409"],
  },
  {
    file: "table/check.ts",
    before: "if (magic !== FRAME_MAGIC)",
    after: "if (magic === 0)",
    finds: ["refuses with 400"],
  },
  {
    file: "table/check-record.ts",
    before: 'return refuse("kind of frontend is unknown:", kind, offset + RECORD_KIND_OFFSET);',
    after: "unreachable();",
    finds: ["does not trap on 2,000"],
  },
  {
    file: "table/dump.ts",
    before: "store<u32>(copy + RECORD_STAMP_OFFSET, 0);",
    after: "",
    finds: ["gives back by GET /v1/dump"],
  },
  {
    file: "table/check-record.ts",
    before: "if (count > MAX_BACKENDS) {",
    after: "if (count > 1000) {",
    finds: ["takes a frontend of 65535"],
  },
  {
    // Keys of shared data that are each VM's own.
    file: "table/keys.ts",
    before: KEY_BEGINS,
    after: `import { random_get } from "../abi/wasi_snapshot_preview1";
      let own: u8 = 0;
      ${KEY_FUNCTION}
        if (own === 0) { random_get(key, 1); own = load<u8>(key) | 1; }
        store<u8>(key, own);`,
    finds: ["has on all workers"],
  },
];

const CONNECTIONS: readonly KnownMutant[] = [
  {
    file: "pick/backend.ts",
    before: "if (index >= count) index = below(count);",
    after: "index = below(count + 1);",
    finds: ["connects each client"],
  },
  {
    file: "contexts/connection.ts",
    before: "closeDownstream();",
    after: "",
    finds: ["closes a connection for which"],
  },
  {
    file: "contexts/connection.ts",
    before: "| <u8>keyList",
    after: "",
    finds: ['gives "connection-local"'],
  },
  {
    file: "repick/look.ts",
    before: "avoidTried(triedOf(entry));",
    after: "",
    finds: ["has a connection try another"],
  },
  {
    file: "pick/lookup.ts",
    before: "? pickAny(record) : pickWithAffinity(record)",
    after: "? pickAny(record) : pickAny(record)",
    finds: ["keeps a client", "leaves clients with", "hands clients and"],
  },
  {
    file: "pick/lookup.ts",
    before: "separator = COLON;",
    after: "separator = SLASH;",
    finds: ["names connections"],
  },
  {
    file: "stats/connections.ts",
    before: "const now = steadyNow();",
    after: "if (context % 500 === 0) unreachable();\n  const now = steadyNow();",
    finds: ["lets a thousand connections"],
  },
  {
    file: "contexts/connection.ts",
    before: "  release(destination);\n",
    after: "",
    finds: ["keeps no memory of connections"],
  },
  {
    file: "contexts/table-endpoint.ts",
    before: "  release(body);\n",
    after: "",
    finds: ["keeps no memory of requests"],
  },
];

const REST: readonly KnownMutant[] = [
  {
    file: "contexts/connection.ts",
    before: "if (!setPickedDestination(key)) return false;",
    after: "if (!setPickedDestination(key)) return true;",
    finds: ["neither traps nor lets"],
  },
  {
    file: "table/head.ts",
    before: "return head().takenAt !== 0 && now() - head().takenAt < LEASE_NANOSECONDS;",
    after: "return head().takenAt !== 0;",
    finds: ["takes a new table after a worker"],
  },
  {
    file: "contexts/connection.ts",
    before: "count(picksTotal);",
    after: "",
    finds: ["counts what it picks"],
  },
  {
    file: "stats/connections.ts",
    before: "addNumber(event, STATS_RECEIVED_BYTES, readNumber(received));",
    after: "",
    finds: ["counts connections and bytes", "counts a connection's end"],
  },
  {
    file: "stats/pages.ts",
    before: "if (entry === 0 || numberOf(entry, STATS_OPENED) !== numberOf(entry, STATS_CLOSED))",
    after: "if (entry === 0)",
    finds: ["forgets a Service"],
  },
  {
    // The build's first letter in the keys: no code finds what another wrote.
    file: "table/keys.ts",
    before: KEY_BEGINS,
    after: `import { buildId } from "../contexts/configuration";
      ${KEY_FUNCTION}
        store<u8>(key, load<u8>(buildId()));`,
    finds: ["keeps the table across a reload", "goes on next to its successor"],
  },
];

export const MUTANTS: readonly KnownMutant[] = [
  ...MODULE,
  ...START,
  ...TABLE,
  ...CONNECTIONS,
  ...REST,
];
