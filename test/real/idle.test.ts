// A connection that is silent, and whose two ends answer, is ended by nothing; beside one of an
// Envoy that has an idle timeout, as Portico's had, which counts bytes and no keepalives.

import { afterAll, beforeAll, expect, it } from "vitest";
import { buildOf } from "../../controller/xds/check-plugin.ts";
import type { Resource } from "../../controller/xds/protos.ts";
import { captureListeners, proxyFilters } from "../../controller/xds/resources.ts";
import type { XdsServer } from "../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS } from "../../controller/xds/tcp-options.ts";
import { LISTENER_TYPE } from "../../controller/xds/type-urls.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { EnvoyFixture, PORTS } from "./envoy-fixture.ts";
import { Witness } from "./lasting-lab.ts";
import { compileTestPlugin } from "./test-plugins.ts";

const SERVER_PORT = 9091;
const IDLE_SECONDS = 2;
const tcp = {
  ...DEFAULT_TCP_OPTIONS,
  keepalive: { timeSeconds: 1, intervalSeconds: 1, probes: 2 },
};

let cluster: Cluster;
let node: ClusterNode;
let fixture: EnvoyFixture;
let xds: XdsServer;
beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "a" }));
  fixture = await EnvoyFixture.make(node);
  const wasm = compileTestPlugin({ backend: `127.0.0.1:${SERVER_PORT}`, answers: true });
  xds = await fixture.serveAll({ build: buildOf(wasm), wasm });
  await xds.set(LISTENER_TYPE, captureListeners(PORTS, ["IPv4", "IPv6"], tcp).map(asItWas));
  await fixture.supervisor.start();
});
afterAll(async () => {
  await fixture?.close();
  await xds?.stop();
  await cluster?.close();
});

/** The listener that masquerades has an idle timeout again. */
function asItWas(listener: Resource): Resource {
  if (!String(listener.name).startsWith("capture-masquerade")) return listener;
  const [{ filters }] = listener.filter_chains as [{ filters: object[] }];
  const { typed_config } = proxyFilters(DEFAULT_TCP_OPTIONS)[0] as Resource & {
    typed_config: object;
  };
  expect(typed_config).toMatchObject({ idle_timeout: { seconds: 0 } });
  const timed = { ...typed_config, idle_timeout: { seconds: IDLE_SECONDS } };
  const proxy = { name: "proxy", typed_config: timed };
  return { ...listener, filter_chains: [{ filters: [...filters.slice(0, -1), proxy] }] };
}

it("a silent connection lives on, where an idle timeout would have ended it", async () => {
  const server = new Witness(node, "server", String(SERVER_PORT));
  await server.says("listening");
  const client = new Witness(node, "client");
  await eventually("Envoy's listeners", 10_000, async () => {
    return (await fixture.listening()).length > 2 * Object.keys(PORTS).length;
  });
  const kinds = ["keep", "masquerade", "local"] as const;
  for (const kind of kinds) client.tell(kind, "127.0.0.1", String(PORTS[kind]));
  for (const kind of kinds) await client.says(`open ${kind}`);
  await eventually("the end of the one with an idle timeout", 10_000, async () => {
    return client.end("masquerade") !== undefined;
  });
  for (const kind of ["keep", "local"]) {
    expect(client.end(kind)).toBeUndefined();
    client.tell("say", kind, "still here");
    await server.says(`heard ${kind} still here`);
  }
});
