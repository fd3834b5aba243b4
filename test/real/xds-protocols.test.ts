// The same over the real Envoy in both protocols: the incremental one, for which Portico's
// bootstrap asks, and the state of the world, for which an Envoy of an earlier version asks.

import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { buildOf } from "../../controller/xds/check-plugin.ts";
import type { Resource } from "../../controller/xds/protos.ts";
import {
  backendsClusters,
  captureListeners,
  type PluginCode,
} from "../../controller/xds/resources.ts";
import type { XdsServer } from "../../controller/xds/server.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "../../controller/xds/type-urls.ts";
import { udpAssignment, udpCluster, udpListener } from "../../controller/xds/udp-resources.ts";
import type { UdpCluster } from "../../controller/xds/udp-target.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { BACKENDS, CAPTURE, EnvoyFixture, PORTS, setAll, WITHIN } from "./envoy-fixture.ts";

const TCP = captureListeners(PORTS, ["IPv4", "IPv6"], BACKENDS.tcp);
/** The table's listener, and those for TCP. */
const OTHERS = 1 + TCP.length;

let cluster: Cluster;
let node: ClusterNode;
let code: PluginCode;
let fixture: EnvoyFixture;
let xds: XdsServer;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "a" }));
  const wasm = await readFile(shippedPlugin());
  code = { build: buildOf(wasm), wasm };
});
afterAll(() => cluster?.close());
afterEach(async () => {
  await fixture.close();
  await xds.stop();
});

/** Of frontends that are numbers; `flowLimit` is what changes in a cluster. */
async function setUdp(numbers: readonly number[], flowLimit = 10, port = 1_000): Promise<void> {
  const clusters = numbers.map((number): UdpCluster => {
    const backend = { address: "10.1.1.1", port: port + number, local: true };
    return { name: `udp/${number}`, hasAffinity: false, backends: [backend], leaving: [] };
  });
  await xds.set(ENDPOINTS_TYPE, clusters.map(udpAssignment));
  const own = clusters.map((each) => udpCluster(each, flowLimit));
  await xds.set(CLUSTER_TYPE, [...backendsClusters(BACKENDS), ...own]);
  await xds.set(LISTENER_TYPE, [...TCP, ...numbers.map((number) => listener(number))]);
}

function listener(number: number, address = `240.0.0.${number}`): Resource {
  const [name, cluster] = [`udp-masquerade/10.96.0.${number}:53/UDP/${address}`, `udp/${number}`];
  const frontend = `10.96.0.${number}:53/UDP`;
  const place = { name, frontend, service: "test/dns", portName: "", address, cluster } as const;
  const rest = {
    kind: "masquerade",
    keepsSource: true,
    idleTimeoutSeconds: 35,
    hasAffinity: false,
  } as const;
  return udpListener({ ...place, ...rest }, 15404);
}

async function stat(name: string): Promise<number> {
  const { body } = await fixture.get("admin.sock", `/stats?filter=^${name}$`);
  return Number(/: (\d+)/.exec(body)?.[1]);
}

/** Numbers of the UDP listeners that Envoy has. */
async function present(): Promise<number[]> {
  const { body } = await fixture.get("admin.sock", "/listeners");
  return [...body.matchAll(/^udp-masquerade\/10\.96\.0\.(\d+):/gm)]
    .map(([, n]) => Number(n))
    .sort();
}

describe.each(["DELTA_GRPC", "GRPC"])("an Envoy that asks by %s", (protocol) => {
  beforeEach(async () => {
    fixture = await EnvoyFixture.make(node);
    if (protocol === "GRPC") fixture.askAsBefore();
  });

  async function serve(): Promise<void> {
    xds = await fixture.serveAll(code);
    await fixture.supervisor.start();
    await vi.waitFor(async () => expect(await fixture.listening()).toEqual(CAPTURE), WITHIN);
    const bootstrap = JSON.parse(await readFile(fixture.path("envoy.json"), "utf8"));
    expect(bootstrap.dynamic_resources.ads_config.api_type).toBe(protocol);
  }

  it("gets its listeners when it is admitted, and not before", async () => {
    const ids: number[] = [];
    xds = await fixture.makeXds({ onConnect: ({ id }) => ids.push(id) });
    await setAll(xds, code);
    await fixture.supervisor.start();
    await vi.waitFor(async () => expect((await fixture.version()).build).toBe(code.build), WITHIN);
    expect(ids).toHaveLength(1);
    expect(xds.connections()[0]).toMatchObject({ fresh: true, admitted: false, isEmpty: true });
    expect(await fixture.listening()).toEqual([]);
    await xds.admitListeners(ids[0] as number);
    expect(await fixture.listening()).toEqual(CAPTURE);
  });

  it("has what was set once that is acknowledged, a changed cluster too", async () => {
    await serve();
    await setUdp([1, 2, 3]);
    expect(await present()).toEqual([1, 2, 3]);
    await setUdp([2, 4]);
    expect(await present()).toEqual([2, 4]);
    // One that waited for endpoints would be warming for 15 s.
    await setUdp([2, 4], 11);
    expect(await stat("cluster_manager.cluster_modified")).toBe(2);
    expect(await stat("cluster_manager.warming_clusters")).toBe(0);
    await setUdp([2, 4], 11, 2_000);
    const { body } = await fixture.get("admin.sock", "/clusters");
    expect(body.match(/^udp\/\d::10\.1\.1\.1:\d+::health_flags/gm)?.sort()).toEqual(
      [2, 4].map((number) => `udp/${number}::10.1.1.1:${2_000 + number}::health_flags`),
    );
    expect(await stat("listener_manager.total_listeners_active")).toBe(OTHERS + 2);
    expect(await stat("listener_manager.listener_modified")).toBe(0);
  });

  it("refuses one listener: what else it took goes with the next answer, or stays", async () => {
    await serve();
    await setUdp([1, 2]);
    const bad = listener(9, "nowhere");
    const refused = xds.set(LISTENER_TYPE, [...TCP, listener(1), listener(2), listener(7), bad]);
    await expect(refused).rejects.toThrow(/Envoy rejected LDS .*10.96.0.9:53.*: malformed IP/);
    expect(await present()).toEqual([1, 2, 7]);
    await xds.set(LISTENER_TYPE, [...TCP, listener(1), listener(2), listener(8)]);
    expect(await present()).toEqual([1, 2, 8]);
    expect(await fixture.listening()).toEqual(CAPTURE);
  });

  it("keeps what it has when another controller comes, and gets what differs", async () => {
    await serve();
    await setUdp([1, 2, 3]);
    const bad = listener(9, "nowhere");
    await expect(
      xds.set(LISTENER_TYPE, [...TCP, ...[1, 2, 3, 7].map((number) => listener(number)), bad]),
    ).rejects.toThrow("malformed IP");
    await xds.stop();
    xds = await fixture.makeXds();
    await vi.waitFor(() => expect(xds.connections()[0]?.asksForListeners).toBe(true), WITHIN);
    const [connection] = xds.connections();
    expect(connection).toMatchObject({ fresh: false, admitted: true });
    expect(await present()).toEqual([1, 2, 3, 7]);
    connection?.suspect(
      LISTENER_TYPE,
      [1, 2, 3, 7].map((number) => String(listener(number).name)),
    );
    await setAll(xds, code, async () => setUdp([2, 3, 4]));
    expect(await present()).toEqual([2, 3, 4]);
    expect(await stat("listener_manager.listener_modified")).toBe(0);
    expect(await stat("cluster_manager.cluster_modified")).toBe(0);
    // 7 and 1 went, and nothing else: what was kept was not made again.
    expect(await stat("listener_manager.listener_removed")).toBe(2);
  });
});
