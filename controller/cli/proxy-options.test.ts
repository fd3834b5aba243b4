import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, expect, it } from "vitest";
import { addProxyOptions, type ProxyFlags, proxyConfigurationFromFlags } from "./proxy-options.ts";

const directory = mkdtempSync(join(tmpdir(), "portico-options-"));
afterAll(() => rmSync(directory, { recursive: true }));

async function read(...args: string[]) {
  const command = new Command("run").exitOverride().configureOutput({ writeErr: () => {} });
  addProxyOptions(command);
  command.parse(args, { from: "user" });
  return proxyConfigurationFromFlags(command.opts<ProxyFlags>());
}

function file(text: string): string {
  const path = join(directory, "config.yaml");
  const header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
  writeFileSync(path, header + text);
  return path;
}

it("is like kube-proxy in nftables mode when nothing is said", async () => {
  expect(await read()).toMatchObject({
    text: undefined,
    warning: undefined,
    configuration: {
      healthzBindAddress: { address: "0.0.0.0", port: 10256 },
      metricsBindAddress: { address: "127.0.0.1", port: 10249 },
      nodePortAddresses: ["primary"],
      detectLocal: { mode: "ClusterCIDR", cidrs: [] },
      minSyncPeriodMs: undefined,
      syncPeriodMs: 30_000,
    },
  });
});

it("lets a flag win over the file, one by one", async () => {
  const config = file(`mode: nftables
hostnameOverride: of-file
healthzBindAddress: 127.0.0.1:1
metricsBindAddress: 127.0.0.1:2
clusterCIDR: 10.1.0.0/16
nodePortAddresses: [all]
nftables: {masqueradeAll: true}`);
  const given = ["--hostname-override", "Of-Flag", "--metrics-bind-address", "[::1]:3"];
  const { configuration } = await read("--config", config, ...given);
  expect(configuration).toMatchObject({
    nodeName: "of-flag",
    healthzBindAddress: { address: "127.0.0.1", port: 1 },
    metricsBindAddress: { address: "::1", port: 3 },
    detectLocal: { mode: "ClusterCIDR", cidrs: ["10.1.0.0/16"] },
    nodePortAddresses: ["all"],
    masqueradeAll: true,
  });
});

it("takes kube-proxy's flags of connection tracking, which win over the file", async () => {
  const config = file("conntrack: {maxPerCore: 1, min: 2, tcpCloseWaitTimeout: 2h0m0s}");
  const flags = [
    ...["--conntrack-max-per-core", "0", "--conntrack-tcp-timeout-established", "0s"],
    ...["--conntrack-tcp-be-liberal", "--conntrack-udp-timeout-stream", "1m30s"],
  ];
  const { configuration, warning } = await read("--config", config, ...flags);
  expect(warning).toBeUndefined();
  expect(configuration.conntrack).toEqual({
    maxPerCore: 0,
    min: 2,
    tcpEstablishedTimeoutMs: 0,
    tcpCloseWaitTimeoutMs: 7_200_000,
    tcpBeLiberal: true,
    udpTimeoutMs: 0,
    udpStreamTimeoutMs: 90_000,
  });
});

it("reads lists, and nowhere to listen", async () => {
  const { configuration } = await read(
    "--nodeport-addresses=primary,192.0.2.7/24",
    "--cluster-cidr=10.1.0.0/16,fd00::/48",
    "--healthz-bind-address=none",
    "--metrics-bind-address=0.0.0.0",
  );
  expect(configuration).toMatchObject({
    nodePortAddresses: ["primary", "192.0.2.0/24"],
    detectLocal: { mode: "ClusterCIDR", cidrs: ["10.1.0.0/16", "fd00::/48"] },
    healthzBindAddress: undefined,
    metricsBindAddress: { address: "0.0.0.0", port: 10249 },
  });
});

it("wants the interface that a mode needs, from the flags or from the file", async () => {
  await expect(read("--detect-local-mode=BridgeInterface")).rejects.toThrow(
    "--detect-local-mode BridgeInterface needs --pod-bridge-interface",
  );
  const config = file(
    "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: a}",
  );
  const prefix = await read("--config", config, "--pod-interface-name-prefix=veth");
  expect(prefix.configuration.detectLocal).toEqual({ mode: "InterfaceNamePrefix", prefix: "veth" });
  const bridge = await read("--detect-local-mode=BridgeInterface", "--pod-bridge-interface=cni0");
  expect(bridge.configuration.detectLocal).toEqual({
    mode: "BridgeInterface",
    interfaceName: "cni0",
  });
});

it("refuses what the file would refuse", async () => {
  await expect(read("--healthz-bind-address=node-1:80")).rejects.toThrow("Give an address");
  await expect(read("--nodeport-addresses=all,all")).rejects.toThrow("each word once");
  await expect(read("--cluster-cidr=10.1.0.0/16,10.2.0.0/16")).rejects.toThrow(
    "one of each family",
  );
  const missing = join(directory, "none.yaml");
  await expect(read("--config", missing)).rejects.toThrow(
    `the configuration ${missing} cannot be read: ENOENT: no such file or directory, ` +
      `open '${missing}'. Check --config.`,
  );
  await expect(read("--config", file("mode: userspace"))).rejects.toThrow("config.yaml:3: mode");
});
