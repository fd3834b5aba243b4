// Configuration files of kube-proxy in the shapes that tools and how-to pages give them (kubeadm of
// several releases, kubespray, kops, kind, minikube, Talos, RKE2, EKS, OpenShift, installations by
// hand), with names and addresses of our own, and files at the edge of what kube-proxy takes.
// proxy-files.test.ts compares what kube-proxy and Portico say of each.

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/** As kubeadm wrote it up to 1.15, with the sections that changed. */
function oldKubeadm(ipvs: string, rest: string): string {
  return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
clientConnection:
  acceptContentTypes: ""
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 5
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 15m0s
conntrack:
  max: null
  maxPerCore: 32768
  min: 131072
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: 24h0m0s
enableProfiling: false
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: ""
iptables:
  masqueradeAll: false
  masqueradeBit: 14
  minSyncPeriod: 0s
  syncPeriod: 30s
ipvs:
${ipvs}
kind: KubeProxyConfiguration
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: null
oomScoreAdj: -999
portRange: ""
${rest}
`;
}

/** As kubeadm has written it since 1.16; `mode` is what is edited most. */
function newKubeadm(mode: string, conntrack: string, rest = ""): string {
  return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: ""
configSyncPeriod: 0s
conntrack:
${conntrack}
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: true
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
metricsBindAddress: 0.0.0.0:10249
mode: ${mode}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  networkName: ""
  sourceVip: ""
${rest}`;
}

const CONNTRACK = `  maxPerCore: null
  min: null
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null`;

const KUBESPRAY = `${HEAD}bindAddress: "0.0.0.0"
clientConnection:
  acceptContentTypes: ""
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: ""
  qps: 5
clusterCIDR: "10.233.64.0/18,fd85:ee78:d8a6:8607::1:0000/112"
configSyncPeriod: 15m0s
conntrack:
  maxPerCore: 32768
  min: 131072
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: 24h0m0s
enableProfiling: False
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: "worker-1"
iptables:
  masqueradeAll: False
  masqueradeBit: 14
  minSyncPeriod: 0s
  syncPeriod: 30s
ipvs:
  excludeCIDRs: []
  minSyncPeriod: 0s
  scheduler: rr
  syncPeriod: 30s
  strictARP: False
  tcpTimeout: 0s
  tcpFinTimeout: 0s
  udpTimeout: 0s
metricsBindAddress: 127.0.0.1:10249
mode: ipvs
nodePortAddresses: []
oomScoreAdj: -999
portRange: ""
featureGates: {}
`;

const MASQUERADING_IPVS = `  masqueradeAll: true
  minSyncPeriod: 5s
  scheduler: "rr"
  syncPeriod: 30s`;
const PLAIN_IPVS = `  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  syncPeriod: 30s`;

/** By what they are like. */
export const FILES: Readonly<Record<string, string>> = {
  "kubeadm 1.9": oldKubeadm(
    PLAIN_IPVS,
    'mode: ""\nresourceContainer: /kube-proxy\nudpIdleTimeout: 250ms',
  ),
  "a how-to with ipvs.masqueradeAll": oldKubeadm(
    MASQUERADING_IPVS,
    'mode: "ipvs"\nudpIdleTimeout: 250ms',
  ),
  "OpenShift's operator": oldKubeadm(PLAIN_IPVS, "mode: iptables\nresourceContainer: /kube-proxy"),
  "conntrack.max as a number": oldKubeadm(PLAIN_IPVS, "mode: ipvs").replace("max: null", "max: 0"),
  "kubeadm 1.28": newKubeadm('""', CONNTRACK),
  "kubeadm 1.31 in nftables mode": newKubeadm(
    "nftables",
    `${CONNTRACK}\n  tcpBeLiberal: false\n  udpStreamTimeout: 0s\n  udpTimeout: 0s`,
    "nftables:\n  masqueradeAll: false\n  masqueradeBit: null\n" +
      "  minSyncPeriod: 0s\n  syncPeriod: 0s\n" +
      'logging:\n  flushFrequency: 0\n  options:\n    json:\n      infoBufferSize: "0"\n' +
      '    text:\n      infoBufferSize: "0"\n  verbosity: 0\n',
  ),
  "edited for MetalLB": newKubeadm('"ipvs"', CONNTRACK),
  "the userspace mode of old": newKubeadm("userspace", CONNTRACK),
  kubespray: KUBESPRAY,
  "kubespray's null as a text": KUBESPRAY.replace("min: 131072", "min: 'null'"),
  kops: `${HEAD}clientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig}
clusterCIDR: 100.96.0.0/11
conntrack: {maxPerCore: 131072}
hostnameOverride: "@aws"
mode: iptables
`,
  kind: `${HEAD}conntrack:
# Skip setting sysctl value "net.netfilter.nf_conntrack_max"
# It is a global variable that affects other namespaces
  maxPerCore: 0
iptables:
  minSyncPeriod: 1s
mode: iptables
`,
  minikube: `${HEAD}clusterCIDR: "10.244.0.0/16"
metricsBindAddress: 0.0.0.0:10249
conntrack:
  maxPerCore: 0
# Skip setting "net.netfilter.nf_conntrack_tcp_timeout_established"
  tcpEstablishedTimeout: 0s
# Skip setting "net.netfilter.nf_conntrack_tcp_timeout_close"
  tcpCloseWaitTimeout: 0s
`,
  "cluster API with kubeadm": `---\n${HEAD}conntrack:\n  maxPerCore: 0\n`,
  EKS: `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
clientConnection:
  acceptContentTypes: ""
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: /var/lib/kube-proxy/kubeconfig
  qps: 5
clusterCIDR: ""
configSyncPeriod: 15m0s
conntrack:
  {maxPerCore: 32768, min: 131072, tcpCloseWaitTimeout: 1h0m0s, tcpEstablishedTimeout: 24h0m0s}
enableProfiling: false
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: ""
iptables: {masqueradeAll: false, masqueradeBit: 14, minSyncPeriod: 0s, syncPeriod: 30s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "rr", syncPeriod: 30s}
kind: KubeProxyConfiguration
metricsBindAddress: 0.0.0.0:10249
mode: "ipvs"
nodePortAddresses: null
oomScoreAdj: -998
portRange: ""
`,
  "EKS for IPv6": `${HEAD}bindAddress: ::
healthzBindAddress: "[::]:10256"
metricsBindAddress: "[::]:10249"
clusterCIDR: fd00:1::/64
mode: iptables
`,
  Talos: `${HEAD}mode: nftables
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
hostnameOverride: ""
clientConnection: {kubeconfig: /etc/kubernetes/kubeconfig}
bindAddress: 0.0.0.0
conntrack: {maxPerCore: 0}
`,
  RKE2: `${HEAD}clientConnection: {kubeconfig: /var/lib/rancher/rke2/agent/kubeproxy.kubeconfig}
clusterCIDR: 10.42.0.0/16
conntrack: {maxPerCore: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s}
healthzBindAddress: 127.0.0.1
hostnameOverride: agent-1
mode: iptables
`,
  "the hard way": `kind: KubeProxyConfiguration
apiVersion: kubeproxy.config.k8s.io/v1alpha1
clientConnection:
  kubeconfig: "/var/lib/kube-proxy/kubeconfig"
mode: "iptables"
clusterCIDR: "10.200.0.0/16"
`,
  "the hard way with a variable that was not set": `${HEAD}mode: "iptables"
clusterCIDR: "\${NODE_NETWORK}"
`,
  "by hand, with the Node's name": `${HEAD}bindAddress: 0.0.0.0
metricsBindAddress: 0.0.0.0:10249
clientConnection:
  kubeconfig: /opt/kubernetes/cfg/kube-proxy.kubeconfig
hostnameOverride: master-1
clusterCIDR: 10.0.0.0/24
`,
  "a port of its own without address": `${HEAD}healthzBindAddress: ":10256"\n`,
  "a how-to that lost its indentation": `${HEAD}mode: "ipvs"\nipvs:\nstrictARP: true\n`,
  "a how-to with iptables' fields under ipvs": `${HEAD}mode: ipvs
ipvs:
  scheduler: "rr"
  excludeCIDRs: []
  strictARP: true
  tcpTimeout: 0s
  tcpFinTimeout: 0s
  udpTimeout: 0s
  minSyncPeriod: 0s
  syncPeriod: 30s
  masqueradeAll: false
  masqueradeBit: 14
`,
  "a comment behind the mode": `${HEAD}mode: ipvs # iptables\n`,
  "node port addresses of two networks": `${HEAD}mode: ipvs
nodePortAddresses:
  - "10.100.21.0/24"
  - "172.17.48.0/24"
conntrack: {max: 0}
winkernel: {enableDSR: false, networkName: "", sourceVip: ""}
`,
  "local-up-cluster": `${HEAD}clientConnection:
  kubeconfig: /var/run/kubernetes/kube-proxy.kubeconfig
hostnameOverride: 127.0.0.1
mode:
`,
  "the detectLocalMode of a CNI": `${HEAD}detectLocalMode: InterfaceNamePrefix
detectLocal: {interfaceNamePrefix: cali}
`,
  "a bridge without its name": `${HEAD}detectLocalMode: BridgeInterface\n`,
  Windows: `${HEAD}mode: kernelspace
winkernel: {enableDSR: true, networkName: vxlan0, sourceVip: 10.244.1.2}
windowsRunAsService: true
`,
  "several documents, kubeadm's first": `apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
networking: {podSubnet: 10.244.0.0/16}
---
${HEAD}mode: ipvs
`,
  "several documents, kubelet's last": `${HEAD}mode: ipvs
---
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
address: 0.0.0.0
`,
  "an empty document first": `---\n---\n${HEAD}`,
  JSON:
    '{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",\n' +
    '"mode": "nftables", "conntrack": {"max": null}}\n',
  "JSON with a field twice":
    '{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",\n' +
    '"mode": "nftables", "mode": "iptables"}\n',
  empty: "",
  "only a comment": "# nothing\n",
  "another version": HEAD.replace("v1alpha1", "v1beta1"),
  "another kind": HEAD.replace("KubeProxyConfiguration", "KubeSchedulerConfiguration"),
  "no apiVersion": "kind: KubeProxyConfiguration\nmode: ipvs\n",
  "Windows line ends and a byte order mark": `\uFEFF${HEAD}mode: ipvs\n`.replaceAll("\n", "\r\n"),
  "a tab for indentation": `${HEAD}conntrack:\n\tmaxPerCore: 0\n`,
  "a tab behind a value": `${HEAD}mode: ipvs\t# here\n`,
  "a field twice": `${HEAD}mode: iptables\nclusterCIDR: ""\nmode: ipvs\n`,
  "a field twice below": `${HEAD}mode: nftables\nnftables: {syncPeriod: 5s, syncPeriod: 10s}\n`,
  "another case": `${HEAD}Mode: ipvs\nconntrack: {MaxPerCore: 3}\n`,
  "yes and off": `${HEAD}enableProfiling: yes\niptables: {masqueradeAll: off}\n`,
  "yes where a text is wanted": `${HEAD}hostnameOverride: yes\n`,
  "a quoted boolean": `${HEAD}enableProfiling: "true"\n`,
  "a number for a text": `${HEAD}hostnameOverride: 7\n`,
  "a text for a number": `${HEAD}conntrack: {maxPerCore: "32768"}\n`,
  "a fraction for a number": `${HEAD}conntrack: {maxPerCore: 1.5}\n`,
  "a whole fraction for a number": `${HEAD}conntrack: {maxPerCore: 2.0}\n`,
  "a number that is too large": `${HEAD}conntrack: {maxPerCore: 4294967296}\n`,
  "a number for a duration": `${HEAD}iptables: {syncPeriod: 30}\n`,
  "null for a duration": `${HEAD}iptables: {syncPeriod: null}\n`,
  "nothing for a duration": `${HEAD}configSyncPeriod: ""\n`,
  "null for a duration behind a pointer": `${HEAD}conntrack: {tcpCloseWaitTimeout: null}\n`,
  "a negative period of the mode": `${HEAD}iptables: {syncPeriod: -1s}\n`,
  "a negative period of another mode": `${HEAD}nftables: {syncPeriod: -1s}\n`,
  "a shortest period that is the longest": `${HEAD}iptables: {syncPeriod: 1s, minSyncPeriod: 2s}\n`,
  "the default shortest period, and a shorter one": `${HEAD}iptables: {syncPeriod: 500ms}\n`,
  "a negative timeout": `${HEAD}conntrack: {udpTimeout: -1s}\n`,
  "a negative number": `${HEAD}conntrack: {min: -1}\n`,
  "ipvs timeouts in another mode": `${HEAD}ipvs: {tcpTimeout: -1s, excludeCIDRs: [nonsense]}\n`,
  "an ipvs exclusion that is none": `${HEAD}mode: ipvs\nipvs: {excludeCIDRs: [nonsense]}\n`,
  "a mark bit beyond 31": `${HEAD}iptables: {masqueradeBit: 32}\n`,
  "a mark bit beyond 31 in another mode": `${HEAD}nftables: {masqueradeBit: 32}\n`,
  "an OOM score beyond 1000": `${HEAD}oomScoreAdj: 1001\n`,
  "a cluster CIDR with a space": `${HEAD}clusterCIDR: "10.0.0.0/8, fd00::/48"\n`,
  "a cluster CIDR that is not used": `${HEAD}detectLocalMode: NodeCIDR\nclusterCIDR: nonsense\n`,
  "two cluster CIDRs of one family": `${HEAD}clusterCIDR: 10.0.0.0/16,10.1.0.0/16\n`,
  "a name to bind": `${HEAD}bindAddress: node-1\n`,
  "a port beyond 65535": `${HEAD}metricsBindAddress: 0.0.0.0:70000\n`,
  "a metrics address without a port": `${HEAD}metricsBindAddress: "::1"\n`,
  "a keyword for node ports twice": `${HEAD}nodePortAddresses: [primary, primary]\n`,
  "a text for a list": `${HEAD}nodePortAddresses: 10.0.0.0/8\n`,
  "a list for a section": `${HEAD}conntrack: []\n`,
  "null for a section": `${HEAD}conntrack:\niptables: ~\n`,
  "a negative burst": `${HEAD}clientConnection: {burst: -1}\n`,
  "a known feature gate": `${HEAD}featureGates: {KubeProxyNFTablesLocalhostNodePorts: true}\n`,
  "a feature gate that is a text": `${HEAD}featureGates: {Something: "true"}\n`,
  "logging options without their gate": `${HEAD}logging: {options: {text: {splitStream: true}}}\n`,
  "a quantity that is none": `${HEAD}logging: {options: {text: {infoBufferSize: many}}}\n`,
  vmodule: `${HEAD}logging: {vmodule: [{filePattern: proxier, verbosity: 4}]}\n`,
  "vmodule with a comma": `${HEAD}logging: {vmodule: [{filePattern: "a,b", verbosity: 4}]}\n`,
  "a log format that is none": `${HEAD}logging: {format: xml}\n`,
  "an unknown section of any shape": `${HEAD}userspace: {a: [1, {b: c}]}\nplugins: null\n`,
  "anchors and merge keys": `${HEAD}iptables: &a {syncPeriod: 1m}\nnftables: {<<: *a}\n`,
};

/** What kube-proxy refuses by what its own release has, and Portico only names. */
export const REFUSED_BY_RELEASE: Readonly<Record<string, string>> = {
  "a feature gate that is gone": `${HEAD}mode: ipvs\nfeatureGates: {SupportIPVSProxyMode: true}\n`,
  "hidden metrics of an old release": `${HEAD}showHiddenMetricsForVersion: "1.16"\n`,
};
