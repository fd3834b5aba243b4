// Configuration files against a real kube-proxy, which reads and writes them and does nothing else:
// it takes what Portico writes, and Portico takes what it writes, with the same meaning.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { configurationFromFile } from "../../controller/config/config-file.ts";
import { kubeProxyConfigurationYaml } from "../../controller/config/config-file-write.ts";
import { buildControlPlane } from "./build.ts";

let kubeProxy: string;
const directory = mkdtempSync(join(tmpdir(), "portico-configuration-"));

beforeAll(async () => {
  kubeProxy = (await buildControlPlane((line) => console.error(line)))["kube-proxy"];
}, 900_000); // the first run builds Kubernetes

afterAll(() => rmSync(directory, { recursive: true }));

/** What kube-proxy writes after it read `text`; `said` is what it had to say meanwhile. */
function throughKubeProxy(text: string): { text: string; said: string } {
  const [from, to] = [join(directory, "from.yaml"), join(directory, "to.yaml")];
  writeFileSync(from, text);
  const parameters = [`--config=${from}`, `--write-config-to=${to}`];
  const { status, stderr } = spawnSync(kubeProxy, parameters, { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return { text: readFileSync(to, "utf8"), said: stderr };
}

const HEADER = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

const FILES = {
  "nothing said": "",
  "nftables mode": `mode: nftables
nftables: {masqueradeBit: 5, masqueradeAll: true, syncPeriod: 1m30s, minSyncPeriod: 250ms}
nodePortAddresses: [primary, 192.0.2.0/24]
hostnameOverride: node-1
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56`,
  "IPv6, interfaces, profiling": `mode: nftables
bindAddress: "2001:db8::7"
healthzBindAddress: "::1"
detectLocalMode: InterfaceNamePrefix
detectLocal: {interfaceNamePrefix: veth}
enableProfiling: true
bindAddressHardFail: true
clientConnection: {kubeconfig: /etc/kubeconfig}
logging: {verbosity: 4}`,
};

it.each(Object.entries(FILES))("agrees with kube-proxy on a file with %s", (_, text) => {
  const { configuration } = configurationFromFile("given.yaml", HEADER + text);
  const theirs = throughKubeProxy(HEADER + text);
  const reread = configurationFromFile("theirs.yaml", theirs.text);
  expect(reread.warning).toBeUndefined();
  // What is not set is written as kube-proxy's default, which then counts as set.
  const defaults = { markBit: 14, minSyncPeriodMs: 1_000 };
  const set = Object.entries(configuration).filter(([, value]) => value !== undefined);
  expect(reread.configuration).toEqual({
    ...configuration,
    ...defaults,
    ...Object.fromEntries(set),
  });
});

it.each(Object.entries(FILES))("writes a file that kube-proxy takes: %s", (_, text) => {
  const { configuration } = configurationFromFile("given.yaml", HEADER + text);
  const { said } = throughKubeProxy(kubeProxyConfigurationYaml(configuration));
  expect(said).not.toContain("lenient decoding");
});
