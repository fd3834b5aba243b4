// Rules of hot reload: the plugin takes over from itself, as `portico plugin load` has it do, and
// goes on next to its successor until its last connection has ended.

import { deltaFrame } from "../../controller/wire/frames.ts";
import { SharedData } from "../wasm/shared-data.ts";
import { backends, frontend, record, snapshot } from "../wasm/table-fixtures.ts";
import { hasSessions } from "./connection-rules.ts";
import { statsOf } from "./count-rules.ts";
import { Broken, expectSame, Lacks, type Rule, type Trial } from "./rule.ts";
import { push, versionOf } from "./table.ts";

const AT = "10.96.0.1:80";
const TABLE = [frontend(1, { backends: backends(1) }), frontend(2, { backends: backends(300) })];
/** Or new code would pick by chance what the old picked. */
const OTHER_SEED = 2;
const STICKY = frontend(1, { backends: backends(50), affinityTimeoutSeconds: 60 });

/** Old VMs with a table, and new ones of another build with the same shared data. */
async function twoHosts(trial: Trial, table = TABLE) {
  const old = await trial.host();
  push(old, "a snapshot", snapshot(table, 5));
  const next = await trial.host({ shared: old.shared, build: "next", seed: OTHER_SEED });
  return { old, next };
}

/** As the controller does in the second step of a load. */
function bringTable(host: Awaited<ReturnType<Trial["host"]>>, table = TABLE): void {
  if (versionOf(host).version === 0) push(host, "a snapshot to new code", snapshot(table, 6));
}

export const RELOAD_RULES: readonly Rule[] = [
  {
    name: "serves from its first connection after it took over",
    otherwise: "a load closes connections on the whole node",
    async judge(trial) {
      const { next } = await twoHosts(trial);
      bringTable(next);
      expectSame('"build" of the new code', versionOf(next).build, "next");
      expectSame("the backend of its first connection", next.connect(AT).backend, "10.1.0.1:8080");
      if (!next.connect("10.96.0.2:80").backend) throw new Broken("a long list is not served");
    },
  },
  {
    name: "keeps the table across a reload",
    otherwise: "each load has the whole table pushed again",
    async judge(trial) {
      const { next } = await twoHosts(trial);
      const { version } = versionOf(next);
      if (version === 0) throw new Lacks("the new code has version 0");
      expectSame("the table's version in the new code", version, 5);
    },
  },
  {
    name: "goes on next to its successor, with the same table",
    otherwise: "what the old code still serves goes to backends that are gone",
    async judge(trial) {
      const { old, next } = await twoHosts(trial);
      bringTable(next);
      const open = old.open(AT);
      const { version } = versionOf(next);
      const moved = { upserts: [record(frontend(1, { backends: backends(1, 9) }))], removals: [] };
      push(next, "a delta to the new code", [deltaFrame(moved, version, version + 1)]);
      expectSame("the new code's backend", next.connect(AT).backend, "10.9.0.1:8080");
      expectSame("the old code's backend", old.connect(AT).backend, "10.9.0.1:8080");
      open.end();
      old.close();
      expectSame("the new code's backend after it", next.connect(AT).backend, "10.9.0.1:8080");
      next.close();
    },
  },
  {
    name: "counts a connection's end though its code was replaced meanwhile",
    otherwise: "after each load, connections count as open that are gone",
    async judge(trial) {
      const { old, next } = await twoHosts(trial);
      bringTable(next);
      statsOf(next);
      const [ending, lasting] = [old.open(AT), next.open(AT)];
      ending.end({ receivedBytes: 7, sentBytes: 9 });
      old.close();
      next.tick();
      const { opened, closed, receivedBytes } = statsOf(next)?.counters ?? {};
      const found = { opened, closed, receivedBytes };
      const what = "what is counted of two connections, one of them ended in the old code";
      expectSame(what, found, { opened: 2, closed: 1, receivedBytes: 7 });
      lasting.end();
    },
  },
  {
    name: "leaves clients with their backend across a reload",
    otherwise: "session affinity begins again with each load",
    async judge(trial) {
      const { old, next } = await twoHosts(trial, [STICKY]);
      bringTable(next, [STICKY]);
      if (!hasSessions(old)) throw new Lacks("GET /v1/session is answered by 404");
      for (let i = 0; i < 50; i++) {
        const source = `10.2.0.${i}:40000`;
        const { backend } = old.connect(AT, { source });
        expectSame(
          "a client's backend in the new code",
          next.connect(AT, { source }).backend,
          backend,
        );
      }
    },
  },
  {
    name: "hands clients and their backends to another Envoy",
    otherwise: "session affinity begins again with `portico envoy replace`",
    async judge(trial) {
      const host = await trial.host();
      const other = await trial.host({ shared: new SharedData(), seed: OTHER_SEED });
      for (const each of [host, other]) push(each, "a snapshot", snapshot([STICKY], 1));
      const sources = Array.from({ length: 50 }, (_, index) => `10.2.0.${index}:40000`);
      const picked = sources.map((source) => host.connect(AT, { source }).backend);
      const row = host.request("GET", "/v1/affinity");
      if (row.status === 404) throw new Lacks("GET /v1/affinity is answered by 404");
      expectSame("the status of GET /v1/affinity", row.status, 200);
      const { status } = other.request("POST", "/v1/affinity/take", row.body);
      expectSame("the status of POST /v1/affinity/take", status, 200);
      const there = sources.map((source) => other.connect(AT, { source }).backend);
      expectSame("the clients' backends in the other Envoy", there, picked);
    },
  },
];
