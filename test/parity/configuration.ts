// The KubeProxyConfiguration that both worlds are started with; all that is not in it is default.

import { CLUSTER_CIDRS } from "./lab.ts";

/** Settled states are waited for, and kube-proxy's own period is a second. */
export const NFTABLES = { minSyncPeriod: "10ms" };

/** Fields of a KubeProxyConfiguration, in the place of those that are said below. */
export type ConfigurationChanges = Readonly<Record<string, unknown>>;

/** As the text of a file. */
export function configurationOf(
  nodeName: string,
  kubeconfig: string,
  changes: ConfigurationChanges,
): string {
  return JSON.stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    hostnameOverride: nodeName,
    clientConnection: { kubeconfig },
    detectLocalMode: "ClusterCIDR",
    clusterCIDR: CLUSTER_CIDRS.join(","),
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    nftables: NFTABLES,
    // Nothing to write into /proc/sys, which a container may not.
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: "0s",
      tcpCloseWaitTimeout: "0s",
      udpTimeout: "0s",
      udpStreamTimeout: "0s",
    },
    ...changes,
  });
}
