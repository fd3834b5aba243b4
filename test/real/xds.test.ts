// The xDS server and the delivery of the plugin, with a real Envoy: what it is told when, what it
// refuses, and that its connections do not notice.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { buildOf, PluginRejectedError } from "../../controller/xds/check-plugin.ts";
import type { XdsConnection } from "../../controller/xds/connection.ts";
import { XdsRejectedError } from "../../controller/xds/errors.ts";
import { PluginDelivery } from "../../controller/xds/plugin-delivery.ts";
import {
  backendsClusters,
  captureListeners,
  connectionFilters,
  type PluginCode,
  tableFilter,
} from "../../controller/xds/resources.ts";
import { XdsServer } from "../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS } from "../../controller/xds/tcp-options.ts";
import { CLUSTER_TYPE, FILTER_TYPE, LISTENER_TYPE } from "../../controller/xds/type-urls.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import {
  BACKENDS,
  CAPTURE,
  ECHO,
  ECHO_PORT,
  EnvoyFixture,
  PORTS,
  setAll,
  WITHIN,
} from "./envoy-fixture.ts";
import { compileTestPlugin, withOtherBuild } from "./test-plugins.ts";

let cluster: Cluster;
let node: ClusterNode;
let code: PluginCode;
let other: PluginCode;
let fixture: EnvoyFixture;
let xds: XdsServer;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "a" }));
  await node.serve({ tcp: ECHO_PORT });
  code = codeOf(compileTestPlugin({ backend: ECHO, answers: true }));
  other = codeOf(withOtherBuild(code.wasm, "other"));
});
afterAll(() => cluster.close());
beforeEach(async () => {
  fixture = await EnvoyFixture.make(node);
});
afterEach(async () => {
  await fixture.close();
  await xds.stop();
});

function codeOf(wasm: Uint8Array): PluginCode {
  return { build: buildOf(wasm), wasm };
}

async function connected(): Promise<XdsConnection> {
  await vi.waitFor(() => expect(xds.connections()[0]?.nodeId).toBe("node-a"), WITHIN);
  return xds.connections()[0] as XdsConnection;
}

describe("the gate before the listeners", () => {
  it("lets a fresh Envoy answer on the table's socket before it listens", async () => {
    const ids: number[] = [];
    xds = await fixture.makeXds({ onConnect: ({ id }) => ids.push(id) });
    await setAll(xds, code);
    await fixture.supervisor.start();
    await vi.waitFor(async () => expect((await fixture.version()).build).toBe(code.build), WITHIN);
    expect(await fixture.listening()).toEqual([]);
    expect(await xds.admitListeners(99)).toEqual({ envoys: 0 });
    expect(await fixture.listening()).toEqual([]);
    expect(ids).toHaveLength(1);
    expect(await xds.admitListeners(ids[0] as number)).toEqual({ envoys: 1 });
    // No waiting: once it resolves, the kernel may hand connections over.
    expect(await fixture.listening()).toEqual(CAPTURE);
  });

  it("keeps what an Envoy has until a new controller knows what it should have", async () => {
    xds = await fixture.serveAll(code);
    await fixture.supervisor.start();
    await fixture.untilServing();
    const held = await (await node.dialer()).open("127.0.0.1", PORTS.keep);
    await xds.stop();
    xds = await fixture.makeXds();
    const connection = await connected();
    expect(connection).toMatchObject({ fresh: false, admitted: true });
    await fixture.untilServing();
    await setAll(xds, code);
    expect(await fixture.listening()).toEqual(CAPTURE);
    expect(await held.echo("still here")).toContain("still here");
    const { body } = await fixture.get("admin.sock", "/stats?filter=^listener_manager.listener_");
    // The table's and eight capture listeners: none was modified, and none replaced.
    expect(body).toContain("listener_manager.listener_added: 9");
    expect(body).toContain("listener_manager.listener_modified: 0");
    await held.close();
  });
});

describe("what is set", () => {
  beforeEach(async () => {
    xds = await fixture.serveAll(code);
    await fixture.supervisor.start();
    await fixture.untilServing();
  });

  it("is acknowledged, again at once when nothing changed", async () => {
    const listeners = captureListeners(PORTS, ["IPv4", "IPv6"], BACKENDS.tcp);
    expect(await xds.set(LISTENER_TYPE, listeners)).toEqual({ envoys: 1 });
    const clusters = backendsClusters({ ...BACKENDS, mark: 0x40, masqueradedMark: 0x60 });
    expect(await xds.set(CLUSTER_TYPE, clusters)).toEqual({ envoys: 1 });
    await fixture.untilServing();
  });

  it("is refused with Envoy's words, and what was before goes on", async () => {
    const [keep] = captureListeners(PORTS, ["IPv4", "IPv6"], BACKENDS.tcp);
    const broken = { ...keep, filter_chains: [] } as typeof keep & object;
    const refused = xds.set(LISTENER_TYPE, [broken]);
    await expect(refused).rejects.toThrow(XdsRejectedError);
    await expect(refused).rejects.toThrow(/rejected LDS capture-keep: .*no filter chains/);
    await fixture.untilServing();
  });

  it("is not waited for when Envoy goes", async () => {
    const set = xds.set(FILTER_TYPE, [
      tableFilter(other),
      ...connectionFilters(other, DEFAULT_TCP_OPTIONS),
    ]);
    process.kill(fixture.supervisor.pid as number, "SIGKILL");
    await expect(set).resolves.toBeDefined();
    await fixture.untilServing();
    expect((await fixture.version()).build).toBe(other.build);
  });
});

describe("a new plugin", () => {
  let delivery: PluginDelivery;
  let snapshots: number;
  beforeEach(async () => {
    xds = await fixture.serveAll(code);
    snapshots = 0;
    delivery = new PluginDelivery({
      xds,
      table: { version: () => fixture.version() },
      pushSnapshot: async () => void snapshots++,
      tcp: DEFAULT_TCP_OPTIONS,
      answerTimeoutMs: 500,
    });
    await delivery.begin(code.wasm);
    await delivery.serve();
    await fixture.supervisor.start();
    await fixture.untilServing();
  });

  it("takes over under traffic: no connection fails, none that is open ends", async () => {
    const dialer = await node.dialer();
    const held = await dialer.open("127.0.0.1", PORTS.keep);
    const load = await dialer.load("127.0.0.1", PORTS.masquerade, 4);
    for (let round = 0; round < 10; round++) {
      const next = withOtherBuild(code.wasm, `round ${round}`);
      expect((await delivery.load(next)).build).toBe(buildOf(next));
      expect((await fixture.version()).build).toBe(buildOf(next));
    }
    const { outcomes } = await load.stop();
    expect(Object.keys(outcomes)).toEqual(["answered"]);
    expect(await held.echo("still here")).toContain("still here");
    expect(await fixture.listening()).toEqual(CAPTURE);
    expect(snapshots).toBe(0);
    await held.close();
  });

  it("that is no WebAssembly is rejected before Envoy sees it", async () => {
    const loading = delivery.load(Buffer.from("certainly not wasm"));
    await expect(loading).rejects.toThrow(PluginRejectedError);
    await expect(loading).rejects.toThrow('it is not a WebAssembly module: it starts with "cert"');
    expect(delivery.current?.build).toBe(code.build);
  });

  it("that Envoy cannot load is rejected in Envoy's words; the present one goes on", async () => {
    const { wasm } = code;
    const unknownImport = Buffer.from(wasm);
    const name = unknownImport.indexOf("proxy_send_local_response");
    unknownImport.write("proxy_send_local_nonsense", name);
    await expect(delivery.load(unknownImport)).rejects.toThrow(
      /Envoy rejected ECDS .*: Unable to create Wasm plugin portico.table/,
    );
    expect((await fixture.version()).build).toBe(code.build);
    await fixture.untilServing();
    await expect(delivery.load(other.wasm)).resolves.toMatchObject({ build: other.build });
  });

  it("that loads and does not answer is rolled back", async () => {
    const dialer = await node.dialer();
    const load = await dialer.load("127.0.0.1", PORTS.keep, 4);
    const mute = compileTestPlugin({ backend: "127.0.0.1:1", answers: false });
    await expect(delivery.load(mute)).rejects.toThrow(
      /it loads, but does not answer on the table's socket as [0-9a-f]{12} within 500 ms/,
    );
    expect((await fixture.version()).build).toBe(code.build);
    expect(delivery.current?.build).toBe(code.build);
    // It never got to a connection: it would have sent it to a closed port.
    const { outcomes } = await load.stop();
    expect(Object.keys(outcomes)).toEqual(["answered"]);
  });
});

describe("the socket", () => {
  it("of a living server is not taken", async () => {
    xds = await fixture.makeXds();
    const second = new XdsServer({ socketPath: fixture.path("xds.sock"), log: fixture.log });
    await expect(second.start()).rejects.toThrow("another process is listening on");
  });

  it("that nobody listens on is replaced", async () => {
    const script = `require("net").createServer().listen(process.argv[1], () =>
      process.kill(process.pid, "SIGKILL"))`;
    const args = ["-e", script, fixture.path("xds.sock")];
    await node.exec(process.execPath, args, { allowFailure: true });
    xds = await fixture.serveAll(code);
    await fixture.supervisor.start();
    await fixture.untilServing();
  });
});
