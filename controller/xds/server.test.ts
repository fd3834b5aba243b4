// UDP frontends as they change, through publisher and server to an Envoy behind a real stream.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { countReads } from "../../test/stand-ins/counted-reads.ts";
import { StreamingEnvoy } from "../../test/stand-ins/streaming-envoy.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Backend, Frontend } from "../node/types.ts";
import { TargetUdp } from "../sync/target-udp.ts";
import { loadProtos, type Resource } from "./protos.ts";
import { XdsServer } from "./server.ts";
import { resourceVersion } from "./snapshot.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import { UdpPublisher } from "./udp-publisher.ts";
import { udpAssignment, udpListener } from "./udp-resources.ts";

const PORT = 15404;
/** Frontends. */
const FEW = 20;
const MANY = 400;
const OPTIONS = { masqueradeAll: true, podFamilies: [] };
const CAPTURE: Resource = { "@type": LISTENER_TYPE, name: "capture" };
const ALWAYS: Resource = { "@type": CLUSTER_TYPE, name: "backends" };

let directory: string;
let xds: XdsServer;
let envoy: StreamingEnvoy;
let publisher: UdpPublisher;
let udp: TargetUdp;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "portico-xds-"));
  const socketPath = join(directory, "xds.sock");
  xds = new XdsServer({ socketPath, log: { info: () => {}, warn: () => {} } });
  xds.setFirst(CLUSTER_TYPE, [ALWAYS]);
  await xds.start();
  publisher = new UdpPublisher({ xds, clusters: [ALWAYS], port: PORT, flowLimit: () => 1 });
  publisher.keepListeners([CAPTURE]);
  udp = new TargetUdp([]);
  envoy = new StreamingEnvoy(socketPath);
  await vi.waitFor(() => expect(xds.connections()[0]?.asksForListeners).toBe(true));
});

afterEach(async () => {
  envoy.close();
  await xds.stop();
  await rm(directory, { recursive: true });
});

/** Of a Service of its own; its endpoints have these numbers. */
function frontendOf(number: number, endpoints: readonly number[]): Frontend {
  const address = `10.${96 + (number >> 8)}.0.${number & 255}`;
  const backends = endpoints.map((each): Backend => {
    return { address: `10.1.1.${each}`, port: 53, local: true };
  });
  return {
    key: `${address}:53/UDP`,
    family: "IPv4",
    address,
    port: 53,
    protocol: "UDP",
    kind: "ClusterIP",
    namespace: "default",
    service: `service-${number}`,
    portName: "",
    verdict: endpoints.length > 0 ? "keep" : "refuse",
    backends,
    localBackends: [],
    servingBackends: backends,
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

/** As one sync of the controller does, without table and kernel. */
async function sync(upserted: readonly Frontend[], removed: readonly string[]): Promise<void> {
  udp.apply(upserted, removed, OPTIONS);
  const waiting = xds.connections().filter(({ admitted }) => !admitted);
  await publisher.add(
    udp.target,
    waiting.map(({ id }) => id),
  );
  await publisher.removeOthers(udp.target);
}

function versionsOf(resources: readonly Resource[]): Map<string, string> {
  const { encode } = loadProtos();
  return new Map(resources.map(encode).map((each) => [each.name, resourceVersion(each)]));
}

function expectAll(): void {
  const { listeners, clusters } = udp.target;
  const refused = new Set(publisher.refused().map(({ name }) => name));
  const good = [...listeners.values()].filter(({ name }) => !refused.has(name));
  const used = new Set(good.map(({ cluster }) => cluster));
  const needed = [...clusters.values()].filter(({ name }) => used.has(name));
  const wanted = [CAPTURE, ...good.map((each) => udpListener(each, PORT))];
  expect(envoy.content.get(LISTENER_TYPE)).toEqual(versionsOf(wanted));
  expect(envoy.content.get(ENDPOINTS_TYPE) ?? new Map()).toEqual(
    versionsOf(needed.map(udpAssignment)),
  );
  const names = ["backends", ...needed.map(({ name }) => name)];
  expect(envoy.names(CLUSTER_TYPE)).toEqual(names.sort());
}

const change = fc.record({
  number: fc.integer({ min: 0, max: 5 }),
  endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  isRemoval: fc.boolean(),
  /** A frontend whose listener Envoy refuses from now on. */
  bad: fc.option(fc.integer({ min: 0, max: 5 })),
});

it("leads Envoy to what it should have, whatever changes and whatever it refuses", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 3 })), async (steps) => {
      for (const step of [...steps, []]) {
        const upserted = new Map<string, Frontend>();
        const removed = new Set<string>();
        for (const { number, endpoints, isRemoval, bad } of step) {
          const frontend = frontendOf(number, endpoints);
          if (isRemoval) upserted.delete(frontend.key);
          else upserted.set(frontend.key, frontend);
          if (isRemoval) removed.add(frontend.key);
          else removed.delete(frontend.key);
          envoy.refuses = (name) => bad !== null && name.includes(`/10.96.0.${bad}:53/`);
        }
        publisher.forgetRefusals();
        await sync([...upserted.values()], [...removed]);
        expectAll();
      }
    }),
    { numRuns: 30 },
  );
});

it("costs what changes, and not what is there", async () => {
  const costs: { reads: number; received: number }[] = [];
  for (const count of [FEW, MANY]) {
    const all = Array.from({ length: count }, (_, number) => frontendOf(number, [1, 2]));
    await sync(all, []);
    expectAll();
    // What the libraries do for the first time is not of interest.
    for (const endpoints of [[1], [1, 2]]) await sync([frontendOf(7, endpoints)], []);
    const before = envoy.resourcesReceived;
    const reads = await countReads(async () => {
      await sync([frontendOf(7, [1, 3])], []);
      await sync([frontendOf(1_000, [1])], []);
      await sync([], [frontendOf(1_000, []).key]);
    });
    costs.push({ reads, received: envoy.resourcesReceived - before });
  }
  const [few, many] = costs;
  expect(many?.received).toBe(few?.received);
  // The stream may take a few reads more or less; one look at all would take all of these.
  expect((many?.reads ?? 0) - (few?.reads ?? 0)).toBeLessThan((MANY - FEW) / 2);
});
