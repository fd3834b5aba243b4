// The fields of a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1, Kubernetes 1.37:
// k8s.io/kube-proxy config/v1alpha1/types.go, its defaults in pkg/proxy/apis/config/v1alpha1).
//
// How to add one: put it at its place in the file; `unused` when Portico does not use it.
// config-file.ts uses the others; config-file-faults.ts checks settings that are invalid together.

import {
  address,
  bindAddress,
  boolean,
  booleans,
  choice,
  decimal,
  duration,
  type Field,
  flushFrequency,
  integer,
  nodePortAddresses,
  nullableDuration,
  nullableInteger,
  quantity,
  text,
  texts,
  unused,
  vmodule,
} from "./config-file-fields.ts";

export const API_VERSION = "kubeproxy.config.k8s.io/v1alpha1";
export const KIND = "KubeProxyConfiguration";
export const HEALTHZ_PORT = 10_256;
export const METRICS_PORT = 10_249;

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const MASQUERADE_BIT = { least: 0, most: 31 };
const INT32 = { least: -(2 ** 31), most: 2 ** 31 - 1 };
const COUNT = { least: 0, most: 2 ** 31 - 1 };

const formatOptions = { splitStream: unused(boolean()), infoBufferSize: unused(quantity()) };

export const SCHEMA = {
  featureGates: booleans(),
  clientConnection: {
    kubeconfig: text(),
    acceptContentTypes: unused(text()),
    contentType: unused(text("application/vnd.kubernetes.protobuf")),
    qps: unused(decimal(5)),
    burst: unused(integer(10, COUNT)),
  },
  logging: {
    format: choice("text", "json"),
    flushFrequency: unused(flushFrequency()),
    verbosity: integer(0, COUNT),
    vmodule: unused(vmodule()),
    options: { text: formatOptions, json: formatOptions },
  },
  hostnameOverride: text(),
  bindAddress: address("0.0.0.0"),
  healthzBindAddress: bindAddress(HEALTHZ_PORT),
  metricsBindAddress: bindAddress(METRICS_PORT),
  bindAddressHardFail: boolean(),
  enableProfiling: boolean(),
  showHiddenMetricsForVersion: unused(text()),
  mode: choice("", "iptables", "ipvs", "nftables"),
  iptables: {
    masqueradeBit: nullableInteger(undefined, MASQUERADE_BIT),
    masqueradeAll: boolean(),
    localhostNodePorts: boolean(true),
    syncPeriod: duration(30 * SECOND_MS),
    minSyncPeriod: duration(undefined),
  },
  ipvs: {
    syncPeriod: duration(30 * SECOND_MS),
    minSyncPeriod: duration(undefined),
    scheduler: text(),
    excludeCIDRs: unused(texts()),
    strictARP: unused(boolean()),
    tcpTimeout: unused(duration(0)),
    tcpFinTimeout: unused(duration(0)),
    udpTimeout: unused(duration(0)),
  },
  nftables: {
    masqueradeBit: nullableInteger(undefined, INT32),
    masqueradeAll: boolean(),
    syncPeriod: duration(30 * SECOND_MS),
    minSyncPeriod: duration(undefined),
  },
  winkernel: {
    networkName: unused(text()),
    sourceVip: unused(text()),
    enableDSR: unused(boolean()),
    rootHnsEndpointName: unused(text()),
    forwardHealthCheckVip: unused(boolean()),
  },
  detectLocalMode: choice("", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
  detectLocal: { bridgeInterface: text(), interfaceNamePrefix: text() },
  clusterCIDR: text(),
  nodePortAddresses: nodePortAddresses(),
  oomScoreAdj: unused(nullableInteger(-999, { least: -1_000, most: 1_000 })),
  conntrack: {
    maxPerCore: nullableInteger(32_768, COUNT),
    min: nullableInteger(131_072, COUNT),
    tcpEstablishedTimeout: nullableDuration(24 * HOUR_MS),
    tcpCloseWaitTimeout: nullableDuration(HOUR_MS),
    tcpBeLiberal: boolean(),
    udpTimeout: duration(0),
    udpStreamTimeout: duration(0),
  },
  configSyncPeriod: unused(duration(15 * 60 * SECOND_MS)),
  portRange: unused(text()),
  windowsRunAsService: unused(boolean()),
};

export interface Schema {
  readonly [name: string]: Field<unknown> | Schema;
}

/** The same tree with values instead of fields. */
type ValuesOf<S> = {
  [K in keyof S]: S[K] extends Field<infer T> ? T : ValuesOf<S[K]>;
};
export type KubeProxyValues = ValuesOf<typeof SCHEMA>;

/** Reports whether a node of the schema is a field, and not a section that holds fields. */
export function isField(node: Field<unknown> | Schema): node is Field<unknown> {
  return "parse" in node && typeof node.parse === "function";
}
