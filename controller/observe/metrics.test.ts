import { expect, it } from "vitest";
import type { EndpointSlice, IPFamily } from "../model/types.ts";
import type { TableGateway } from "../sync/reconcile.ts";
import { TableError } from "../table/table-error.ts";
import { meteredTable } from "./metered-table.ts";
import { Metrics } from "./metrics.ts";
import type { Figures } from "./present-metrics.ts";

const START = Date.UTC(2026, 0, 1);

const FIGURES: Figures = {
  tableVersion: 7,
  frontends: 3,
  backends: 9,
  services: 2,
  envoysConnected: 1,
  pluginBuild: "0123456789ab",
  problems: new Map([["watch", 2]]),
  watches: [{ kind: "Service", synced: true, restarts: 4 }],
  envoyRoom: {
    open: { tcp: 70, udpFlows: 8 },
    limit: 100,
    refused: {
      tcp: 5,
      udp: new Map([
        ["udp/a/b/c/IPv4/internal", 2],
        ["udp/a/d/c/IPv4/internal", 1],
      ]),
    },
  },
  ejected: { forAll: 2, forOneClient: 1 },
  localPolicyGaps: [{ family: "IPv6", policy: "external" }],
};

function metricsAt() {
  const clock = { time: START, now: () => clock.time, after: () => () => {} };
  const metrics = new Metrics({ clock, families: ["IPv4", "IPv6"], version: "1.2.3" });
  return { clock, metrics };
}

/** Returns the samples of one metric, without its name. */
async function samples(metrics: Metrics, name: string, figures = FIGURES): Promise<string[]> {
  const lines = (await metrics.text(figures)).split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => line.slice(name.length).trim());
}

function slice(addressType: IPFamily, lastChangeTriggerTime: number, serviceName = "web") {
  const identity = { namespace: "shop", name: `${serviceName}-1`, serviceName };
  const nothing = { ports: [], endpoints: [], headlessLabel: false };
  return { ...identity, ...nothing, addressType, lastChangeTriggerTime } as EndpointSlice;
}

it("has the ejected backends, and none of a plugin that does not eject", async () => {
  const { metrics } = metricsAt();
  expect(await samples(metrics, "portico_backends_ejected")).toEqual([
    '{for="all"} 2',
    '{for="one-client"} 1',
  ]);
  const without = { ...FIGURES, ejected: undefined };
  expect(await samples(metrics, "portico_backends_ejected", without)).toEqual([]);
});

it("has the buckets of kube-proxy 1.37", async () => {
  const { metrics } = metricsAt();
  metrics.sync.succeeded(0.003, false);
  metrics.sync.changed("EndpointSlice", undefined, slice("IPv4", START + 1));
  metrics.sync.began();
  metrics.sync.succeeded(0.003, true);
  const bounds = async (name: string) => {
    const lines = await samples(metrics, `kubeproxy_${name}_duration_seconds_bucket`);
    const first = lines.filter((line) => line.includes('ip_family="IPv4"'));
    return first.map((line) => /le="([^"]+)"/.exec(line)?.[1] ?? "");
  };
  const sync = await bounds("sync_proxy_rules");
  expect(sync).toHaveLength(16);
  expect([sync[0], sync[1], sync[14], sync[15]]).toEqual(["0.001", "0.002", "16.384", "+Inf"]);
  const programming = await bounds("network_programming");
  expect(programming).toHaveLength(3 + 59 + 12 + 7 + 1);
  const some = [0, 1, 2, 3, 61, 62, 63, 73, 74, 80].map((index) => programming[index]);
  expect(some).toEqual(["0", "0.25", "0.5", "1", "59", "60", "65", "115", "120", "300"]);
});

it("counts changes until a sync takes them in", async () => {
  const { metrics } = metricsAt();
  metrics.sync.changed("Service");
  metrics.sync.changed("EndpointSlice", undefined, slice("IPv4", 0));
  metrics.sync.changed("EndpointSlice", slice("IPv4", 0), undefined);
  metrics.sync.changed("Node");
  const shown = async () => {
    const names = ["service_changes_pending", "service_changes_total"];
    names.push("endpoint_changes_pending", "endpoint_changes_total");
    const values = names.map((name) => samples(metrics, `kubeproxy_sync_proxy_rules_${name}`));
    return (await Promise.all(values)).flat().map(Number);
  };
  expect(await shown()).toEqual([1, 1, 2, 2]);
  metrics.sync.began();
  expect(await shown()).toEqual([0, 1, 0, 2]);
});

it("dates the last sync and the last request, for both families", async () => {
  const { clock, metrics } = metricsAt();
  metrics.sync.queued();
  clock.time += 1_500;
  metrics.sync.succeeded(0.1, false);
  const name = "kubeproxy_sync_proxy_rules_last";
  expect(await samples(metrics, `${name}_queued_timestamp_seconds`)).toEqual([
    `{ip_family="IPv4"} ${START / 1_000}`,
    `{ip_family="IPv6"} ${START / 1_000}`,
  ]);
  expect(await samples(metrics, `${name}_timestamp_seconds`)).toEqual([
    `{ip_family="IPv4"} ${START / 1_000 + 1.5}`,
    `{ip_family="IPv6"} ${START / 1_000 + 1.5}`,
  ]);
});

it("tells whole syncs from those of what changed", async () => {
  const { metrics } = metricsAt();
  metrics.sync.succeeded(0.1, true);
  metrics.sync.succeeded(0.1, false);
  metrics.sync.succeeded(0.1, false);
  const count = async (kind: string) =>
    (await samples(metrics, `kubeproxy_sync_${kind}proxy_rules_duration_seconds_count`))[0];
  expect(await count("")).toBe('{ip_family="IPv4"} 3');
  expect(await count("full_")).toBe('{ip_family="IPv4"} 1');
  expect(await count("partial_")).toBe('{ip_family="IPv4"} 2');
});

it("counts failed syncs by the step that failed", async () => {
  const { metrics } = metricsAt();
  metrics.sync.failed(Object.assign(new Error(), { name: "NftError" }));
  metrics.sync.failed(new TableError("unreachable", "no answer"));
  metrics.sync.failed(Object.assign(new Error(), { name: "XdsTimeoutError" }));
  metrics.sync.failed("anything");
  expect(await samples(metrics, "portico_sync_failures_total")).toEqual([
    '{step="kernel"} 1',
    '{step="table"} 1',
    '{step="envoy"} 1',
    '{step="other"} 1',
  ]);
  const nftables = "kubeproxy_sync_proxy_rules_nftables_sync_failures_total";
  expect(await samples(metrics, nftables)).toEqual([
    '{ip_family="IPv4"} 1',
    '{ip_family="IPv6"} 1',
  ]);
});

it("measures from a change's cause to its acknowledgement, over failed syncs too", async () => {
  const { clock, metrics } = metricsAt();
  const { sync } = metrics;
  sync.changed("EndpointSlice", undefined, slice("IPv4", START - 1_000));
  sync.changed("EndpointSlice", undefined, slice("IPv4", START + 1_000));
  sync.changed("EndpointSlice", undefined, slice("IPv6", START + 2_000));
  sync.changed("EndpointSlice", undefined, slice("IPv4", START + 1_000, "gone"));
  sync.changed("EndpointSlice", slice("IPv4", START + 1_000, "gone"), undefined);
  sync.began();
  sync.failed(new Error("first"));
  sync.changed("EndpointSlice", undefined, slice("IPv4", START + 3_000));
  sync.began();
  sync.changed("EndpointSlice", undefined, slice("IPv4", START + 4_000));
  clock.time = START + 5_000;
  sync.succeeded(0.1, false);
  const name = "kubeproxy_network_programming_duration_seconds";
  expect(await samples(metrics, `${name}_count`)).toEqual([
    '{ip_family="IPv4"} 2',
    '{ip_family="IPv6"} 1',
  ]);
  expect(await samples(metrics, `${name}_sum`)).toEqual([
    '{ip_family="IPv4"} 6',
    '{ip_family="IPv6"} 3',
  ]);
});

it("counts health answers by status", async () => {
  const { metrics } = metricsAt();
  metrics.healthAnswered("healthz", 200);
  metrics.healthAnswered("healthz", 503);
  metrics.healthAnswered("livez", 200);
  expect(await samples(metrics, "kubeproxy_proxy_healthz_total")).toEqual([
    '{code="200"} 1',
    '{code="503"} 1',
  ]);
  expect(await samples(metrics, "kubeproxy_proxy_livez_total")).toEqual(['{code="200"} 1']);
});

it("shows how things are now, and forgets what is no more", async () => {
  const { metrics } = metricsAt();
  expect(await samples(metrics, "portico_table_version")).toEqual(["7"]);
  expect(await samples(metrics, "portico_problems")).toEqual(['{source="watch"} 2']);
  expect(await samples(metrics, "portico_plugin_info")).toEqual(['{build="0123456789ab"} 1']);
  const restarts = "portico_watch_restarts_total";
  expect(await samples(metrics, restarts)).toEqual(['{kind="Service"} 4']);
  expect(await samples(metrics, restarts)).toEqual(['{kind="Service"} 4']);
  const solved = { ...FIGURES, problems: new Map(), pluginBuild: "" };
  expect(await samples(metrics, "portico_problems", solved)).toEqual([]);
  expect(await samples(metrics, "portico_plugin_info", solved)).toEqual([]);
  expect(await samples(metrics, "kubeproxy_sync_proxy_rules_no_local_endpoints_total")).toEqual([
    '{traffic_policy="internal",ip_family="IPv4"} 0',
    '{traffic_policy="external",ip_family="IPv4"} 0',
    '{traffic_policy="internal",ip_family="IPv6"} 0',
    '{traffic_policy="external",ip_family="IPv6"} 1',
  ]);
});

it("tells what is running, and what it costs", async () => {
  const { metrics } = metricsAt();
  const [info] = await samples(metrics, "portico_build_info");
  expect(info).toContain('version="1.2.3"');
  for (const name of ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"]) {
    expect(await samples(metrics, `process_${name}`)).toHaveLength(1);
  }
  expect(metrics.contentType).toContain("text/plain; version=0.0.4");
});

it("counts pushes, their bytes and their failures", async () => {
  const { metrics } = metricsAt();
  let failure: Error | undefined;
  const push = async () => {
    if (failure) throw failure;
    return 2;
  };
  const table: TableGateway = {
    version: async () => ({ version: 1 }),
    read: async () => ({ version: 1, entries: new Map() }),
    pushSnapshot: push,
    pushDelta: push,
  };
  const metered = meteredTable(table, metrics.counted, () => 0);
  const entry = { key: new Uint8Array(20), record: new Uint8Array(100), backendCount: 1 };
  expect(await metered.pushSnapshot([entry, entry])).toBe(2);
  expect(await metered.pushDelta(1, [entry], [entry])).toBe(2);
  failure = new TableError("conflict", "the table is of version 9", 9);
  await expect(metered.pushDelta(1, [entry], [])).rejects.toBe(failure);
  expect(await samples(metrics, "portico_table_pushes_total")).toEqual([
    '{kind="snapshot"} 1',
    '{kind="delta"} 1',
  ]);
  expect(await samples(metrics, "portico_table_push_bytes_total")).toEqual([
    '{kind="snapshot"} 200',
    '{kind="delta"} 100',
  ]);
  expect(await samples(metrics, "portico_table_push_failures_total")).toEqual([
    '{code="conflict"} 1',
  ]);
});
