import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { configurationFromFile, type ProxyConfiguration } from "./config-file.ts";
import { kubeProxyConfiguration, kubeProxyConfigurationYaml } from "./config-file-write.ts";

const TRACKED_AS_KUBE_PROXY = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpBeLiberal: false,
  tcpEstablishedTimeoutMs: 86_400_000,
  tcpCloseWaitTimeoutMs: 3_600_000,
  udpTimeoutMs: 0,
  udpStreamTimeoutMs: 0,
};

const HEADER = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

function read(text: string) {
  return configurationFromFile("proxy.yaml", HEADER + text);
}

/** Returns the errors, one line each. */
function problemsOf(text: string): string[] {
  try {
    configurationFromFile("proxy.yaml", text);
  } catch (error) {
    return (error as Error).message.split("\n");
  }
  return [];
}

/** The file that kubeadm 1.35 puts into the ConfigMap kube-proxy. */
const KUBEADM = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`;

describe("a file of kubeadm's", () => {
  it("is taken as it is, without a warning", () => {
    expect(configurationFromFile("config.conf", KUBEADM)).toEqual({
      warning: undefined,
      configuration: {
        kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf",
        nodeName: undefined,
        nodeIP: undefined,
        healthzBindAddress: { address: "0.0.0.0", port: 10256 },
        metricsBindAddress: { address: "127.0.0.1", port: 10249 },
        bindAddressHardFail: false,
        profiling: false,
        nodePortAddresses: ["all", "127.0.0.0/8"],
        detectLocal: { mode: "ClusterCIDR", cidrs: ["10.244.0.0/16"] },
        masqueradeAll: false,
        conntrack: TRACKED_AS_KUBE_PROXY,
        markBit: undefined,
        minSyncPeriodMs: undefined,
        syncPeriodMs: 30_000,
        logLevel: "info",
      } satisfies ProxyConfiguration,
    });
  });

  it("means the same as one that says nothing else", () => {
    const short = `clientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig.conf}
clusterCIDR: 10.244.0.0/16`;
    expect(read(short)).toEqual(configurationFromFile("config.conf", KUBEADM));
  });
});

describe("settings", () => {
  it("are read from the section of the mode", () => {
    const text = (mode: string) => `mode: ${mode}
iptables: {masqueradeBit: 1, masqueradeAll: true, syncPeriod: 1m, minSyncPeriod: 10ms}
ipvs: {syncPeriod: 2m, minSyncPeriod: 20ms}
nftables: {masqueradeBit: 3, syncPeriod: 3m, minSyncPeriod: 30ms}`;
    const facts = (mode: string) => {
      const { configuration } = read(text(mode));
      const { markBit, masqueradeAll, syncPeriodMs, minSyncPeriodMs } = configuration;
      return [markBit, masqueradeAll, syncPeriodMs, minSyncPeriodMs];
    };
    expect(facts('""')).toEqual([1, true, 60_000, 10]);
    expect(facts("iptables")).toEqual([1, true, 60_000, 10]);
    expect(facts("ipvs")).toEqual([1, true, 120_000, 20]);
    expect(facts("nftables")).toEqual([3, false, 180_000, 30]);
  });

  it("say where node ports answer, by mode when nothing is said", () => {
    const addresses = (text: string) => read(text).configuration.nodePortAddresses;
    expect(addresses("mode: nftables")).toEqual(["primary"]);
    expect(addresses("mode: ipvs")).toEqual(["all"]);
    expect(addresses("mode: iptables\niptables: {localhostNodePorts: false}")).toEqual(["all"]);
    const some = "nodePortAddresses: [192.0.2.7/24, localhost, '2001:db8::/32']";
    const canonical = ["192.0.2.0/24", "localhost", "2001:db8::/32"];
    expect(addresses(`mode: nftables\n${some}`)).toEqual(canonical);
    expect(addresses(some)).toEqual(canonical);
    expect(addresses(`mode: ipvs\n${some}`)).toEqual(["192.0.2.0/24", "2001:db8::/32"]);
    expect(addresses("nodePortAddresses: [0.0.0.0/0]")).toEqual(["0.0.0.0/0", "127.0.0.0/8"]);
  });

  it("say which clients are Pods of this node", () => {
    const mode = (text: string) => read(text).configuration.detectLocal;
    expect(mode("clusterCIDR: '10.1.2.0/16,fd00::1/48'")).toEqual({
      mode: "ClusterCIDR",
      cidrs: ["10.1.0.0/16", "fd00::/48"],
    });
    expect(mode("detectLocalMode: NodeCIDR")).toEqual({ mode: "NodeCIDR" });
    const bridge = "detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}";
    expect(mode(bridge)).toEqual({ mode: "BridgeInterface", interfaceName: "cni0" });
    const prefix = "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}";
    expect(mode(prefix)).toEqual({ mode: "InterfaceNamePrefix", prefix: "veth" });
  });

  it("follow the family of bindAddress", () => {
    const { configuration } = read("bindAddress: '2001:db8::7'\nhealthzBindAddress: '::1'");
    expect(configuration).toMatchObject({
      nodeIP: "2001:db8::7",
      healthzBindAddress: { address: "::1", port: 10256 },
      metricsBindAddress: { address: "::1", port: 10249 },
    });
    expect(read("bindAddress: '::'").configuration).toMatchObject({
      nodeIP: undefined,
      healthzBindAddress: { address: "::", port: 10256 },
    });
    expect(read("metricsBindAddress: '[::]:8080'").configuration.metricsBindAddress).toEqual({
      address: "::",
      port: 8080,
    });
  });

  it("have the node's name as Kubernetes writes it, and klog's verbosity as a level", () => {
    const { configuration } = read("hostnameOverride: ' Node-1 '\nlogging: {verbosity: 5}");
    expect(configuration).toMatchObject({ nodeName: "node-1", logLevel: "debug" });
  });
});

describe("what does nothing here", () => {
  it("is named in one warning, when it is set to something", () => {
    const { warning } = read(`mode: ipvs
ipvs: {scheduler: rr, strictARP: true, tcpTimeout: 0s}
conntrack: {maxPerCore: 0, tcpCloseWaitTimeout: 2h0m0s}
oomScoreAdj: -999
featureGates: {Something: true, KubeProxyNFTablesLocalhostNodePorts: true}
udpIdleTimeout: 250ms`);
    expect(warning).toBe(
      "proxy.yaml: unknown to kube-proxy 1.37, ignored: udpIdleTimeout; " +
        "no effect in Portico: ipvs.strictARP, featureGates.Something",
    );
  });

  it("is named when kube-proxy does not know it, or it is given twice; the last counts", () => {
    const { warning, configuration } = read(`mode: iptables
conntrack: {max: null, maxPerCore: 0}
ipvs: {masqueradeAll: true}
resourceContainer: /kube-proxy
iptables: {MasqueradeAll: true, syncPeriod: 1m}
mode: nftables
nftables: {syncPeriod: 5s, syncPeriod: 10s}
constructor: 1`);
    expect(warning).toBe(
      "proxy.yaml: unknown to kube-proxy 1.37, ignored: conntrack.max, ipvs.masqueradeAll, " +
        "resourceContainer, iptables.MasqueradeAll, constructor; " +
        "given twice, the last one counts: mode, syncPeriod",
    );
    expect(configuration).toMatchObject({ syncPeriodMs: 10_000, masqueradeAll: false });
  });

  it("is everything after the first document", () => {
    const text = `---\n${HEADER}mode: nftables\n---\napiVersion: v1\nkind: [\n`;
    const alone = configurationFromFile("proxy.yaml", `${HEADER}mode: nftables\n`);
    expect(configurationFromFile("proxy.yaml", text)).toEqual(alone);
  });

  it("is not named when it is what kube-proxy has anyway", () => {
    const written = kubeProxyConfigurationYaml(read("mode: nftables").configuration);
    expect(configurationFromFile("proxy.yaml", written).warning).toBeUndefined();
  });
});

describe("a wrong file", () => {
  it("names field, value, what is allowed, and the line, all at once", () => {
    const text = `${HEADER}mode: userspace
conntrack:
  min: -1
  maxPercore: 5
iptables:
  masqueradeBit: 32
  syncPeriod: 30
nodePortAddresses: [primary, primary]
bindAddress: node-1
healthzBindAddress: 0.0.0.0:99999
clusterCIDR: 10.0.0.0/8,10.1.0.0/16
enableProfiling: "yes"
hostnameOverride: 7
winkernel: [1]
`;
    expect(problemsOf(text)).toEqual([
      'proxy.yaml:3: mode is "userspace"; set one of iptables, ipvs, nftables',
      "proxy.yaml:5: conntrack.min is -1; set a whole number from 0 to 2147483647",
      "proxy.yaml:8: iptables.masqueradeBit is 32; set a whole number from 0 to 31",
      "proxy.yaml:9: iptables.syncPeriod is 30; set a duration such as 250ms, 30s or 1h30m",
      'proxy.yaml:10: nodePortAddresses is ["primary","primary"]; ' +
        "set a list of CIDRs and of the words primary, localhost, all, each word once",
      'proxy.yaml:11: bindAddress is "node-1"; set an IP address',
      'proxy.yaml:12: healthzBindAddress is "0.0.0.0:99999"; ' +
        "set an IP address and a port such as 0.0.0.0:10256 or [::]:10256",
      'proxy.yaml:14: enableProfiling is "yes"; set true or false',
      "proxy.yaml:15: hostnameOverride is 7; set a text",
      "proxy.yaml:16: winkernel is [1]; set fields",
    ]);
  });

  it("is of another kind, or no YAML, or nothing", () => {
    expect(problemsOf("apiVersion: v1\nkind: Pod\n")).toEqual([
      'proxy.yaml:1: apiVersion is "v1"; set kubeproxy.config.k8s.io/v1alpha1',
      'proxy.yaml:2: kind is "Pod"; set KubeProxyConfiguration',
    ]);
    expect(problemsOf("")).toEqual(["proxy.yaml: the file is empty"]);
    expect(problemsOf("# nothing\n")).toEqual(["proxy.yaml: the file is empty"]);
    expect(problemsOf(`${HEADER}mode: [`)[0]).toMatch(/^proxy\.yaml:\d: /);
    expect(problemsOf(`---\n---\n${HEADER}`)).toHaveLength(2);
    expect(problemsOf(`---\n${HEADER}---\n`)).toEqual([]);
    expect(problemsOf("- 1\n")).toHaveLength(2);
    expect(problemsOf("mode: *nowhere\n")).toHaveLength(1);
  });

  it("contradicts itself", () => {
    expect(problemsOf(`${HEADER}nftables: {syncPeriod: 1s, minSyncPeriod: 2s}\n`)).toEqual([]);
    expect(
      problemsOf(`${HEADER}mode: nftables
nftables:
  syncPeriod: 1s
  minSyncPeriod: 2s
detectLocalMode: BridgeInterface
hostnameOverride: " "
`),
    ).toEqual([
      "proxy.yaml:6: nftables.minSyncPeriod is longer than syncPeriod; " +
        "set a shorter one, or a syncPeriod of at least 2s",
      "proxy.yaml:7: detectLocal.bridgeInterface is missing; " +
        "detectLocalMode BridgeInterface needs it",
      "proxy.yaml:8: hostnameOverride is blank; set it to the name of the Node object",
    ]);
    const cidrs = "clusterCIDR: 10.0.0.0/8,10.1.0.0/16\n";
    expect(problemsOf(`${HEADER}detectLocalMode: NodeCIDR\n${cidrs}`)).toEqual([]);
    expect(problemsOf(HEADER + cidrs)).toEqual([
      'proxy.yaml:3: clusterCIDR is "10.0.0.0/8,10.1.0.0/16"; ' +
        "set a CIDR, or one of each family such as 10.244.0.0/16,fd00:10:244::/56",
    ]);
    const ofOthers = "ipvs: {tcpTimeout: -1s, excludeCIDRs: [a]}\nnftables: {masqueradeBit: 32}\n";
    expect(problemsOf(HEADER + ofOthers)).toEqual([]);
    expect(problemsOf(`${HEADER}mode: ipvs\n${ofOthers}`)).toEqual([
      "proxy.yaml:4: ipvs.tcpTimeout is negative; set a duration of 0s or more",
      'proxy.yaml:4: ipvs.excludeCIDRs has "a"; set a list of CIDRs',
    ]);
    expect(problemsOf(`${HEADER}mode: nftables\n${ofOthers}`)).toEqual([
      "proxy.yaml:5: nftables.masqueradeBit is 32; set a whole number from 0 to 31",
    ]);
    expect(problemsOf(`${HEADER}detectLocalMode: InterfaceNamePrefix\ndetectLocal: {}\n`)).toEqual([
      "proxy.yaml:3: detectLocal.interfaceNamePrefix is missing; " +
        "detectLocalMode InterfaceNamePrefix needs it",
    ]);
  });
});

it("takes JSON too", () => {
  const json = { apiVersion: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration" };
  const text = JSON.stringify({ ...json, mode: "nftables" }, undefined, 2);
  expect(configurationFromFile("proxy.json", text)).toEqual(read("mode: nftables"));
});

const port = fc.integer({ min: 1, max: 65_535 });
const bindAddress = fc.record({ address: fc.constantFrom("0.0.0.0", "127.0.0.1", "::1"), port });
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);

const configurations: fc.Arbitrary<ProxyConfiguration> = fc.record({
  kubeconfig: fc.option(name, { nil: undefined }),
  nodeName: fc.option(name, { nil: undefined }),
  nodeIP: fc.constantFrom(undefined, "192.0.2.1", "2001:db8::1"),
  healthzBindAddress: bindAddress,
  metricsBindAddress: bindAddress,
  bindAddressHardFail: fc.boolean(),
  profiling: fc.boolean(),
  nodePortAddresses: fc.uniqueArray(
    fc.constantFrom("primary", "localhost", "all", "192.0.2.0/24", "::/0"),
    { minLength: 1 },
  ),
  detectLocal: fc.oneof(
    fc.record({
      mode: fc.constant("ClusterCIDR" as const),
      cidrs: fc.constantFrom<string[][]>([], ["10.1.0.0/16"], ["fd00::/48", "10.1.0.0/16"]),
    }),
    fc.constant({ mode: "NodeCIDR" as const }),
    fc.record({ mode: fc.constant("BridgeInterface" as const), interfaceName: name }),
    fc.record({ mode: fc.constant("InterfaceNamePrefix" as const), prefix: name }),
  ),
  masqueradeAll: fc.boolean(),
  conntrack: fc.record({
    maxPerCore: fc.nat(100_000),
    min: fc.nat(1_000_000),
    tcpEstablishedTimeoutMs: fc.nat(100_000_000),
    tcpCloseWaitTimeoutMs: fc.nat(100_000_000),
    tcpBeLiberal: fc.boolean(),
    udpTimeoutMs: fc.nat(100_000_000),
    udpStreamTimeoutMs: fc.nat(100_000_000),
  }),
  markBit: fc.option(fc.integer({ min: 0, max: 31 }), { nil: undefined }),
  minSyncPeriodMs: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }),
  syncPeriodMs: fc.integer({ min: 1_000, max: 100_000_000 }),
  logLevel: fc.constantFrom("info" as const, "debug" as const),
});

it("writes a configuration so that it reads back as the same", () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      const written = kubeProxyConfigurationYaml(configuration);
      const readBack = configurationFromFile("proxy.yaml", written);
      expect(readBack).toEqual({ configuration, warning: undefined });
    }),
  );
});

it("writes what /configz shows, with durations as Go has them", () => {
  const { configuration } = read("mode: nftables\nnftables: {syncPeriod: 90s}");
  const shown = kubeProxyConfiguration(configuration);
  expect(shown).toMatchObject({
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    nftables: { masqueradeBit: null, minSyncPeriod: "0s", syncPeriod: "1m30s" },
    conntrack: { tcpEstablishedTimeout: "24h0m0s", udpTimeout: "0s" },
    ipvs: { excludeCIDRs: null },
  });
  expect(parse(kubeProxyConfigurationYaml(configuration))).toEqual(shown);
});
