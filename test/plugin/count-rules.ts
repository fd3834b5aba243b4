// Rules of what is counted.

import { serviceIdOf } from "../../controller/wire/service-id.ts";
import { decodeStats, type StatsEntry } from "../../controller/wire/stats.ts";
import type { WasmHost } from "../wasm/host.ts";
import { frontend, snapshot } from "../wasm/table-fixtures.ts";
import { Broken, expectSame, Lacks, type Rule } from "./rule.ts";
import { push } from "./table.ts";

const AT = "10.96.0.1:80";
const WEB = frontend(1);

/** The whole Service's numbers; throws Lacks where the plugin has no such answer. */
export function statsOf(host: WasmHost): StatsEntry | undefined {
  const answer = host.request("GET", "/v1/stats");
  if (answer.status === 404) throw new Lacks("GET /v1/stats is answered by 404");
  expectSame("the status of GET /v1/stats", answer.status, 200);
  const id = serviceIdOf(WEB);
  return decodeStats(answer.body).find(({ serviceId, backend }) => serviceId === id && !backend);
}

export const COUNT_RULES: readonly Rule[] = [
  {
    name: "counts what it picks and what it closes",
    otherwise: "portico_picks_total and its like are missing in /metrics/envoy",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot([WEB, frontend(2, { backends: [] })], 1));
      for (const destination of [AT, AT, "10.96.0.2:80", "10.96.9.9:80"]) host.connect(destination);
      for (const [name, wanted] of [
        ["picks", 2],
        ["no_backend", 1],
        ["unknown_frontend", 1],
      ] as const) {
        const counter = `portico_${name}_total`;
        const found = host.counters.get(counter);
        if (found === undefined) throw new Lacks(`it defines no counter ${counter}`);
        expectSame(counter, found, wanted);
      }
    },
  },
  {
    name: "counts connections and bytes of each Service",
    otherwise: "the metrics by Service, and the live page's rates, stay empty",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot([WEB], 1));
      statsOf(host);
      const open = [1, 2, 3].map(() => host.open(AT));
      open[0]?.end({ receivedBytes: 100, sentBytes: 2000, connectNanoseconds: 1_000_000 });
      open[1]?.end({ receivedBytes: 50, sentBytes: 0 });
      host.tick();
      const counters = statsOf(host)?.counters;
      const wanted = { opened: 3, closed: 2, receivedBytes: 150, sentBytes: 2000 };
      for (const [name, number] of Object.entries(wanted)) {
        const found = counters?.[name as keyof typeof wanted];
        expectSame(`"${name}" after 3 connections of which 2 ended`, found, number);
      }
      open[2]?.end();
    },
  },
  {
    name: "forgets a Service on request, and not while a connection is open",
    otherwise: "what is counted grows with every Service that there ever was",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot([WEB], 1));
      statsOf(host);
      const open = host.open(AT);
      host.tick();
      const forget = () => {
        const key = statsOf(host)?.keyBytes;
        if (!key) throw new Broken("an open connection is not counted");
        const answer = host.request("POST", "/v1/stats/forget", key);
        expectSame("the status of POST /v1/stats/forget", answer.status, 200);
      };
      forget();
      if (!statsOf(host)) throw new Broken("a Service with an open connection is forgotten");
      open.end();
      host.tick();
      forget();
      if (statsOf(host)) throw new Broken("a Service without a connection is not forgotten");
    },
  },
];
