// Rules of bad days: a host that refuses, a worker that dies.

import { deltaFrame } from "../../controller/wire/frames.ts";
import { GuestError } from "../wasm/guest.ts";
import type { WasmHost } from "../wasm/host.ts";
import { STATUS } from "../wasm/status.ts";
import { backends, frontend, record, snapshot } from "../wasm/table-fixtures.ts";
import { Broken, type Rule } from "./rule.ts";
import { push, versionOf } from "./table.ts";
import { typesOf } from "./wasm-types.ts";

const SECOND = 1_000_000_000n;
const AT = "10.96.0.1:80";
const LONG = frontend(2, { backends: backends(300) });
const STICKY = frontend(3, { affinityTimeoutSeconds: 60 });
const TABLE = [frontend(1), LONG, STICKY];
/** Not refused: what the plugin answers with, and what happens before there is a table. */
const SPARED = ["proxy_send_local_response", "proxy_close_stream", "proxy_define_metric"];

/** Everything that a host calls, once; what comes of it is the host's to judge. */
function useAll(host: WasmHost): void {
  for (const { address } of TABLE) host.connect(`${address}:80`);
  host.connect("10.96.0.3:80", { list: "local" });
  const upserts = [record(frontend(1, { backends: backends(2) }))];
  host.request("POST", "/v1/frames", deltaFrame({ upserts, removals: [] }, 1, 2));
  for (const path of ["version", "dump", "stats", "affinity", "session"]) {
    host.request("GET", `/v1/${path}`);
  }
  host.tick();
}

/** A snapshot has to be taken, and served, once the host is well again. */
function expectRecovery(host: WasmHost, what: string): void {
  const { version } = versionOf(host);
  push(host, `a snapshot ${what}`, snapshot(TABLE, version + 10));
  if (host.connect(AT).backend === undefined) throw new Broken(`no connection is served ${what}`);
}

export const FAULT_RULES: readonly Rule[] = [
  {
    name: "neither traps nor lets a connection go on when the host refuses a call",
    otherwise: "one failed call costs the VM, or sends a client to an address that it may not have",
    async judge(trial) {
      const names = [...typesOf(trial.wasm).imports.keys()].map((name) => name.split(".")[1] ?? "");
      for (const name of names.filter((each) => !SPARED.includes(each))) {
        for (const status of [STATUS.notFound, STATUS.internalFailure]) {
          let time = 1000n * SECOND;
          const host = await trial.host({ now: () => time, steadyNow: () => time });
          push(host, "a snapshot", snapshot(TABLE, 1));
          host.fault = (called) => (called === name ? status : undefined);
          try {
            useAll(host);
          } catch (error) {
            throw new Broken(`with ${name} refused (${status}): ${(error as Error).message}`);
          }
          host.fault = undefined;
          time += 10n * SECOND;
          expectRecovery(host, `after ${name} was refused`);
        }
      }
    },
  },
  {
    name: "takes a new table after a worker has died in the middle of a push",
    otherwise: "after a crash in Envoy the node's table stays as it is until Envoy is replaced",
    async judge(trial) {
      const upserts = [record(frontend(1, { backends: backends(2) })), record(frontend(9))];
      for (let write = 1; write < 20; write++) {
        let time = 1000n * SECOND;
        const host = await trial.host({ workers: 2, now: () => time, steadyNow: () => time });
        push(host, "a snapshot", snapshot(TABLE, 1));
        let writes = 0;
        host.fault = (called) => {
          if (called === "proxy_set_shared_data" && ++writes === write) throw new Died("died");
          return undefined;
        };
        try {
          host.request("POST", "/v1/frames", deltaFrame({ upserts, removals: [] }, 1, 2));
          return;
        } catch (error) {
          if (!(error instanceof Died)) throw error;
        }
        host.fault = undefined;
        time += 10n * SECOND;
        const { version } = versionOf(host, { worker: 1 });
        const what = `after a worker died at write ${write}`;
        push(host, `a snapshot ${what}`, snapshot(TABLE, version + 10), { worker: 1 });
        if (host.connect(AT, { worker: 1 }).backend === undefined) {
          throw new Broken(`no connection is served ${what}`);
        }
      }
    },
  },
];

class Died extends GuestError {}
