import { describe, expect, it } from "vitest";
import { notEmpty } from "../../test/not-empty.ts";
import { countingBytes, targetUdpOf } from "../../test/stand-ins/udp-targets.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Backend, Frontend } from "../node/types.ts";
import { loadProtos } from "./protos.ts";
import { udpAssignment, udpCluster, udpListener } from "./udp-resources.ts";
import { roleOfListener, type UdpOptions } from "./udp-target.ts";

const [A, B, C]: [Backend, Backend, Backend] = [
  { address: "10.1.1.11", port: 5353, local: true },
  { address: "10.1.2.11", port: 5353, local: false },
  { address: "10.1.2.12", port: 5353, local: false },
];

const DNS: Frontend = {
  key: "10.96.0.10:53/UDP",
  family: "IPv4",
  address: "10.96.0.10",
  port: 53,
  protocol: "UDP",
  kind: "ClusterIP",
  namespace: "kube-system",
  service: "kube-dns",
  portName: "dns",
  verdict: "keep",
  backends: [A, B],
  localBackends: [],
  servingBackends: [A, B, C],
  allowedSources: [],
  affinityTimeoutSeconds: 0,
  settings: DEFAULT_SETTINGS,
};

const LOG: Frontend = {
  ...DNS,
  key: "[fd00:e::9]:514/UDP",
  family: "IPv6",
  address: "fd00:e::9",
  port: 514,
  kind: "LoadBalancer",
  namespace: "default",
  service: "log",
  portName: "",
  verdict: "local",
  backends: [{ address: "fd00:1:2::b", port: 5514, local: false }],
  localBackends: [{ address: "fd00:1:1::b", port: 5514, local: true }],
  servingBackends: [
    { address: "fd00:1:1::b", port: 5514, local: true },
    { address: "fd00:1:1::c", port: 5514, local: true },
    { address: "fd00:1:2::b", port: 5514, local: false },
  ],
  affinityTimeoutSeconds: 10_800,
};

const OPTIONS: UdpOptions = { masqueradeAll: false, podFamilies: ["IPv4", "IPv6"] };

/** Returns both sorted by name. */
function targetFrom(frontends: readonly Frontend[], options = OPTIONS) {
  const { target } = targetUdpOf(frontends, options, { draw: countingBytes() });
  return { listeners: sorted(target.listeners), clusters: sorted(target.clusters) };
}

function sorted<T>(all: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function kinds(frontend: Partial<Frontend>, options: Partial<UdpOptions> = {}): string[] {
  const target = targetFrom([{ ...DNS, ...frontend }], { ...OPTIONS, ...options });
  return [...target.listeners.values()].map(({ kind }) => kind);
}

describe("the resources of UDP frontends", () => {
  const { listeners, clusters } = targetFrom([LOG, DNS]);
  const resources = [
    ...[...listeners.values()].map((listener) => udpListener(listener, 15404)),
    ...[...clusters.values()].flatMap((each) => [udpCluster(each, 24_000), udpAssignment(each)]),
  ];

  it("read as written down", async () => {
    const text = JSON.stringify(resources, null, 2);
    await expect(`${text}\n`).toMatchFileSnapshot("golden/udp.json");
  });

  it("have only fields that Envoy's definitions have", () => {
    const { encode, decode } = loadProtos();
    for (const resource of notEmpty(resources, "resources")) {
      const { "@type": _, ...fields } = resource;
      expect(decode(encode(resource))).toMatchObject(fields);
    }
  });

  it("come in the same order and bytes whatever order the frontends come in", () => {
    const other = targetFrom([DNS, LOG]);
    expect([...other.listeners]).toEqual([...listeners]);
    expect([...other.clusters]).toEqual([...clusters]);
  });
});

describe("listeners", () => {
  it("are those that the kernel's rules for the verdict lead to", () => {
    expect(kinds({ verdict: "keep" })).toEqual(["keep", "masquerade"]);
    expect(kinds({ verdict: "masquerade" })).toEqual(["masquerade"]);
    expect(kinds({ verdict: "local" })).toEqual(["keep", "local", "masquerade"]);
    expect(kinds({ verdict: "short-circuit" })).toEqual(["keep", "masquerade"]);
    expect(kinds({ verdict: "refuse" })).toEqual([]);
    expect(kinds({ verdict: "drop" })).toEqual([]);
  });

  it("are fewer where Pods are not told from other clients", () => {
    const podFamilies = ["IPv6"] as const;
    expect(kinds({ verdict: "keep" }, { podFamilies })).toEqual(["keep"]);
    expect(kinds({ verdict: "local" }, { podFamilies })).toEqual(["local", "masquerade"]);
    expect(kinds({ verdict: "short-circuit" }, { podFamilies })).toEqual(["masquerade"]);
  });

  it("stay as long as their frontend", () => {
    const udp = targetUdpOf([DNS], OPTIONS);
    const { listeners } = udp.target;
    const before = new Map(listeners);
    udp.apply([{ ...DNS, verdict: "refuse", backends: [] }], [], OPTIONS);
    expect(listeners).toEqual(before);
    expect(udp.apply([], [DNS.key], OPTIONS)).toEqual([DNS.key]);
    expect([listeners.size, udp.bindings.size]).toEqual([0, 0]);
    udp.apply([DNS], [], OPTIONS);
    expect(listeners.size).toBe(before.size);
    for (const name of before.keys()) expect(listeners.has(name)).toBe(false);
  });

  it("masquerade everybody where that is wanted", () => {
    expect(kinds({ verdict: "keep" }, { masqueradeAll: true })).toEqual(["masquerade"]);
  });

  it("let flows of a DNS port end sooner", () => {
    const idle = (frontend: Partial<Frontend>) => {
      const { listeners } = targetFrom([{ ...DNS, ...frontend }]);
      return [...listeners.values()].map(({ idleTimeoutSeconds }) => idleTimeoutSeconds);
    };
    expect(idle({ portName: "" })).toEqual([5, 5]);
    expect(idle({ port: 30_053, portName: "dns-udp" })).toEqual([5, 5]);
    expect(idle({ port: 514, portName: "dnsmasq" })).toEqual([35, 35]);
  });

  it("say in their names which role they have", () => {
    const { listeners } = targetFrom([LOG, DNS]);
    const roles = [...listeners.values()].map(({ name, address }) => roleOfListener(name, address));
    expect(roles).toEqual([
      "udp-keep/10.96.0.10:53/UDP",
      "udp-keep/[fd00:e::9]:514/UDP",
      "udp-local/[fd00:e::9]:514/UDP",
      "udp-masquerade/10.96.0.10:53/UDP",
      "udp-masquerade/[fd00:e::9]:514/UDP",
    ]);
    expect(roleOfListener("capture-keep", "0.0.0.0")).toBeUndefined();
  });
});

describe("clusters", () => {
  it("are shared by the doors of one side, and not by those of another", () => {
    const external: Frontend = { ...DNS, verdict: "masquerade", backends: [A, B, C] };
    const doors: Frontend[] = [
      { ...DNS },
      { ...external, key: "192.0.2.1:30053/UDP", kind: "NodePort", address: "192.0.2.1" },
      { ...external, key: "203.0.113.9:53/UDP", kind: "ExternalIP", address: "203.0.113.9" },
      { ...external, key: "127.0.0.1:30053/UDP", kind: "NodePort", address: "127.0.0.1" },
    ];
    const { clusters, listeners } = targetFrom(doors);
    expect(listeners.size).toBe(5);
    expect([...clusters.values()].map(({ name, leaving }) => [name, leaving])).toEqual([
      ["udp/kube-system/kube-dns/dns/IPv4/external", []],
      ["udp/kube-system/kube-dns/dns/IPv4/internal", [C]],
      ["udp/kube-system/kube-dns/dns/IPv4/loopback", []],
    ]);
  });

  it("do not lead to another frontend, nor to themselves", () => {
    const ring = [
      { ...A, address: "10.96.0.10", port: 53 },
      { ...A, address: "10.96.0.11", port: 53 },
    ];
    const other = { ...DNS, key: "10.96.0.11:53/UDP", address: "10.96.0.11", service: "other" };
    const looping = { ...DNS, backends: [...ring, A], servingBackends: [...ring, A] };
    const { clusters } = targetFrom([looping, other]);
    const cluster = clusters.get("udp/kube-system/kube-dns/dns/IPv4/internal");
    expect(cluster).toMatchObject({ backends: [A], leaving: [] });
  });

  it("of a local list keep no flows elsewhere", () => {
    const { clusters } = targetFrom([LOG]);
    const local = clusters.get("udp/default/log//IPv6/local/affinity");
    expect(local?.backends).toEqual(LOG.localBackends);
    expect(local?.leaving).toEqual([{ address: "fd00:1:1::c", port: 5514, local: true }]);
  });
});
