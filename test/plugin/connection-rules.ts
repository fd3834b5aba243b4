// Rules of connections: which backend they may get, when they are closed, what they leave behind.

import { deltaFrame } from "../../controller/wire/frames.ts";
import type { OpenConnection, WasmHost } from "../wasm/host.ts";
import { backends, backendText, frontend, record, snapshot } from "../wasm/table-fixtures.ts";
import { Broken, expectOneOf, expectSame, Lacks, type Rule } from "./rule.ts";
import { canonicalPlace, push } from "./table.ts";

const AT = "10.96.0.1:80";
const SECOND = 1_000_000_000n;
const AFFINITY_SECONDS = 60;
const MANY_BACKENDS = 300;
const PAGE_BYTES = 65_536;

const V6 = frontend(5, {
  address: "fd00:96::a",
  backends: [1, 2].map((last) => ({ address: `fd00:1::${last}`, port: 65_535, local: false })),
});
const SPLIT = frontend(3, { backends: backends(6), localBackends: backends(6).slice(0, 2) });
const STICKY = frontend(1, { backends: backends(50), affinityTimeoutSeconds: AFFINITY_SECONDS });

function placesOf({ backends: list }: { backends: typeof V6.backends }): string[] {
  return list.map(({ address, port }) => `${address} port ${port}`);
}

/** Connects often, judges each backend, and notes how often each came. */
function connectOften(host: WasmHost, destination: string, places: string[]): string {
  const seen = new Map<string, number>();
  const times = Math.max(200, places.length * 10);
  for (let i = 0; i < times; i++) {
    const { backend } = host.connect(destination, { source: `10.2.${i >> 8}.${i & 255}:40000` });
    const place = backend === undefined ? undefined : canonicalPlace(backend);
    expectOneOf(`the backend of a connection to ${destination}`, place, places);
    seen.set(place ?? "", (seen.get(place ?? "") ?? 0) + 1);
  }
  const most = Math.max(...seen.values());
  return (
    `of ${times} connections to ${places.length} backends, ${seen.size} of them got some, ` +
    `one at most ${Math.round((most * 100) / times)} %`
  );
}

/** Breaks the rule if memory grows once the plugin has had time to settle. */
function expectNoGrowth(host: WasmHost, what: string, times: number, run: () => void): void {
  for (let i = 0; i < times / 4; i++) run();
  const before = host.memoryBytes();
  for (let i = 0; i < times; i++) run();
  const pages = (host.memoryBytes() - before) / PAGE_BYTES;
  if (pages > 0) throw new Broken(`memory grows by ${pages} pages of 64 KiB in ${times} ${what}`);
}

function openMany(host: WasmHost, count: number): OpenConnection[] {
  return Array.from({ length: count }, (_, index) =>
    host.open(AT, { source: `10.2.${index >> 8}.${index & 255}:40000` }),
  );
}

const PICKS: readonly Rule[] = [
  {
    name: "connects each client to a backend of the frontend that it dialled",
    otherwise: "clients reach another Service, or an address where nothing is",
    async judge(trial) {
      const host = await trial.host();
      const web = frontend(1);
      const other = frontend(1, { port: 81, backends: backends(3, 2) });
      const long = frontend(2, { backends: backends(MANY_BACKENDS) });
      const datagrams = frontend(1, { protocol: "UDP", backends: backends(3, 4) });
      push(host, "a snapshot", snapshot([web, other, long, V6, datagrams], 1));
      connectOften(host, AT, placesOf(web));
      connectOften(host, "10.96.0.1:81", placesOf(other));
      trial.note(connectOften(host, "10.96.0.2:80", placesOf(long)));
      connectOften(host, "[fd00:96::a]:80", placesOf(V6));
      connectOften(host, "[fd00:96:0:0:0:0:0:a]:80", placesOf(V6));
      connectOften(host, "[::ffff:10.96.0.1]:80", placesOf(web));
    },
  },
  {
    name: "closes a connection for which there is no backend",
    otherwise: "Envoy connects the client to the address that it dialled, where no backend is",
    async judge(trial) {
      const host = await trial.host();
      const close = (destination: string, why: string) =>
        expectSame(`a connection ${why}`, host.connect(destination).backend, undefined);
      close(AT, "before there is a table");
      push(host, "a snapshot", snapshot([frontend(1), frontend(4, { backends: [] })], 1));
      close("10.96.9.9:80", "to an address that the table has not");
      close("10.96.0.1:81", "to a port that the table has not");
      close("10.96.0.4:80", "to a frontend without backends");
      for (const text of ["", "/run/x.sock", "10.96.0.1", "10.96.0.1:65536", "[fd00::a:80"]) {
        close(text, `whose destination is ${JSON.stringify(text)}`);
      }
    },
  },
  {
    name: 'gives "connection-local" the local list only, and "connection" the whole',
    otherwise: "externalTrafficPolicy: Local sends clients to other nodes",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot([SPLIT, frontend(1)], 1));
      const local = SPLIT.localBackends.map(backendText);
      const all = SPLIT.backends.map(backendText);
      for (let i = 0; i < 200; i++) {
        const source = `10.2.0.${i}:40000`;
        const { backend } = host.connect("10.96.0.3:80", { list: "local", source });
        expectOneOf("the backend of a connection by the local list", backend, local);
        const { backend: any } = host.connect("10.96.0.3:80", { source });
        expectOneOf("the backend of a connection by the cluster list", any, all);
      }
      const { backend } = host.connect(AT, { list: "local" });
      expectSame("a connection by a local list that is not there", backend, undefined);
    },
  },
  {
    name: "keeps a client on its backend where the Service asks for it",
    otherwise: "Services with sessionAffinity: ClientIP have none",
    async judge(trial) {
      let time = 1000n * SECOND;
      const host = await trial.host({ workers: 2, steadyNow: () => time });
      push(host, "a snapshot", snapshot([STICKY], 1));
      if (!hasSessions(host)) throw new Lacks("GET /v1/session is answered by 404");
      for (let i = 0; i < 50; i++) {
        const source = `10.2.0.${i}:40000`;
        const { backend } = host.connect(AT, { source });
        time += SECOND;
        const again = host.connect(AT, { source: `10.2.0.${i}:50000`, worker: 1 });
        expectSame(
          "the backend of a client that returns to another worker",
          again.backend,
          backend,
        );
      }
    },
  },
  {
    name: "has a connection try another backend when one does not accept",
    otherwise: "clients fail for as long as a dead Pod is in the list",
    async judge(trial) {
      let time = 1000n * SECOND;
      const host = await trial.host({ steadyNow: () => time });
      const web = frontend(1);
      push(host, "a snapshot", snapshot([web], 1));
      const places = web.backends.map(backendText);
      for (let i = 0; i < 20; i++) {
        const { envoy, end } = host.open(AT, { waits: true });
        if (!host.isTicking) throw new Lacks("it asks for no ticks while a connection waits");
        for (let attempt = 1; attempt < places.length; attempt++) {
          envoy.fail();
          time += SECOND / 40n;
          host.tickOnce();
          const left = places.filter((place) => !envoy.attempted.includes(place));
          expectOneOf("the backend after some that refused", envoy.attempt(), left);
        }
        end();
      }
    },
  },
  {
    name: "names connections where the configuration asks for it",
    otherwise: "the flow log has no Service in its lines",
    async judge(trial) {
      const host = await trial.host({ build: "b,names" });
      push(host, "a snapshot", snapshot([frontend(1)], 1));
      const { name, end } = host.open(AT);
      end();
      if (name === undefined) throw new Lacks('it sets no filter state "envoy.string"');
      expectSame("a connection's name", name, "shop/web-1:http");
    },
  },
];

const REMAINS: readonly Rule[] = [
  {
    name: "lets a thousand connections be open at once, and end in any order",
    otherwise: "Envoy keeps what belongs to connections that are gone",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot([frontend(1)], 1));
      const open = openMany(host, 1000);
      for (const each of open.filter((_, index) => index % 3 === 1)) each.end();
      for (const each of open.filter((_, index) => index % 3 !== 1).reverse()) each.end();
      host.close();
    },
  },
  {
    name: "keeps no memory of connections that have ended",
    otherwise: "Envoy's memory grows with every connection, until the node's is gone",
    async judge(trial) {
      const host = await trial.host();
      const long = frontend(2, { backends: backends(MANY_BACKENDS) });
      push(host, "a snapshot", snapshot([STICKY, long, frontend(3)], 1));
      const destinations = [AT, "10.96.0.2:80", "10.96.0.3:80", "10.96.9.9:80", "nonsense"];
      let next = 0;
      expectNoGrowth(host, "connections", 20_000, () => {
        const destination = destinations[next++ % destinations.length] ?? "";
        host.connect(destination, { source: `10.2.0.${next & 255}:40000` });
      });
    },
  },
  {
    name: "keeps no memory of requests that were answered",
    otherwise: "Envoy's memory grows with every change in the cluster",
    async judge(trial) {
      const host = await trial.host();
      const long = record(frontend(1, { backends: backends(1000) }));
      const short = record(frontend(1));
      push(host, "a snapshot", snapshot([frontend(1)], 1));
      let version = 1;
      expectNoGrowth(host, "pushes", 60, () => {
        const upserts = [version % 2 === 0 ? short : long];
        push(host, "a delta", [deltaFrame({ upserts, removals: [] }, version, ++version)]);
        host.request("POST", "/v1/frames", new Uint8Array(100));
        host.request("GET", "/v1/dump?first=0&count=16384");
        host.request("GET", "/v1/nothing");
      });
    },
  },
];

export const CONNECTION_RULES: readonly Rule[] = [...PICKS, ...REMAINS];

/** Whether the plugin answers for session affinity at all. */
export function hasSessions(host: WasmHost): boolean {
  const path = `/v1/session?frontend=${AT}&client=10.2.0.1:0`;
  return host.request("GET", path).status !== 404;
}
