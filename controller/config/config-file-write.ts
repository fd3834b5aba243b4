// Portico's settings → an equivalent KubeProxyConfiguration, as an object (/configz) or as YAML
// (--write-config-to).

import { stringify } from "yaml";
import type { DetectLocal, ProxyConfiguration } from "./config-file.ts";
import { API_VERSION, isField, KIND, SCHEMA, type Schema } from "./config-file-schema.ts";

type Json = Record<string, unknown>;

/** Fields that kube-proxy leaves out when empty. */
const NOT_WRITTEN: readonly string[] = ["featureGates", "windowsRunAsService"];

/** Returns all fields as of 1.37; those that Portico does not use have kube-proxy's defaults. */
export function kubeProxyConfiguration(configuration: ProxyConfiguration): Json {
  const { healthzBindAddress, metricsBindAddress, detectLocal } = configuration;
  const bind = healthzBindAddress?.address.includes(":") ? "::" : "0.0.0.0";
  const defaults = defaultsOf(SCHEMA);
  for (const name of NOT_WRITTEN) delete defaults[name];
  const nftables = {
    ...(defaults.nftables as Json),
    masqueradeBit: configuration.markBit ?? null,
    masqueradeAll: configuration.masqueradeAll,
    syncPeriod: SCHEMA.nftables.syncPeriod.write(configuration.syncPeriodMs),
    minSyncPeriod: SCHEMA.nftables.minSyncPeriod.write(configuration.minSyncPeriodMs),
  };
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    ...defaults,
    clientConnection: {
      ...(defaults.clientConnection as Json),
      kubeconfig: configuration.kubeconfig ?? "",
    },
    logging: {
      ...(defaults.logging as Json),
      verbosity: configuration.logLevel === "debug" ? 4 : 0,
    },
    hostnameOverride: configuration.nodeName ?? "",
    bindAddress: configuration.nodeIP ?? bind,
    healthzBindAddress: SCHEMA.healthzBindAddress.write(healthzBindAddress),
    metricsBindAddress: SCHEMA.metricsBindAddress.write(metricsBindAddress),
    bindAddressHardFail: configuration.bindAddressHardFail,
    enableProfiling: configuration.profiling,
    mode: "nftables",
    nftables,
    conntrack: conntrackFields(configuration),
    ...detectLocalFields(detectLocal),
    nodePortAddresses: configuration.nodePortAddresses,
  };
}

/** Quotes a name that kube-proxy would read as a boolean, such as n. */
export function kubeProxyConfigurationYaml(configuration: ProxyConfiguration): string {
  const options = { sortMapEntries: true, compat: "yaml-1.1" } as const;
  return stringify(kubeProxyConfiguration(configuration), options);
}

function conntrackFields({ conntrack }: ProxyConfiguration): Json {
  const { maxPerCore, min, tcpBeLiberal } = conntrack;
  const { write } = SCHEMA.conntrack.udpTimeout;
  return {
    maxPerCore,
    min,
    tcpBeLiberal,
    tcpEstablishedTimeout: write(conntrack.tcpEstablishedTimeoutMs),
    tcpCloseWaitTimeout: write(conntrack.tcpCloseWaitTimeoutMs),
    udpTimeout: write(conntrack.udpTimeoutMs),
    udpStreamTimeout: write(conntrack.udpStreamTimeoutMs),
  };
}

function detectLocalFields(detectLocal: DetectLocal): Json {
  const { mode } = detectLocal;
  return {
    detectLocalMode: mode,
    detectLocal: {
      bridgeInterface: mode === "BridgeInterface" ? detectLocal.interfaceName : "",
      interfaceNamePrefix: mode === "InterfaceNamePrefix" ? detectLocal.prefix : "",
    },
    clusterCIDR: mode === "ClusterCIDR" ? detectLocal.cidrs.join(",") : "",
  };
}

function defaultsOf(schema: Schema): Json {
  const entries = Object.entries(schema).map(([name, node]) => {
    return [name, isField(node) ? node.write(node.fallback) : defaultsOf(node)];
  });
  return Object.fromEntries(entries);
}
