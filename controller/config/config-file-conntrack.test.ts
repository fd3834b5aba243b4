import { expect, it } from "vitest";
import { configurationFromFile } from "./config-file.ts";

const AS_KUBE_PROXY = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpBeLiberal: false,
  tcpEstablishedTimeoutMs: 86_400_000,
  tcpCloseWaitTimeoutMs: 3_600_000,
  udpTimeoutMs: 0,
  udpStreamTimeoutMs: 0,
};

function read(text: string) {
  const header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
  return configurationFromFile("proxy.yaml", header + text);
}

it("is as kube-proxy has it where nothing, or null, is given", () => {
  const nothing = "{maxPerCore: null, tcpEstablishedTimeout: null, udpTimeout: 0s}";
  for (const text of ["mode: nftables", `conntrack: ${nothing}`]) {
    expect(read(text).configuration.conntrack).toEqual(AS_KUBE_PROXY);
  }
});

it("is left alone where 0 is given", () => {
  const zeros = "{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}";
  const { configuration, warning } = read(`mode: nftables\nconntrack: ${zeros}`);
  expect(warning).toBeUndefined();
  expect(configuration.conntrack).toEqual({
    ...AS_KUBE_PROXY,
    maxPerCore: 0,
    min: 0,
    tcpEstablishedTimeoutMs: 0,
    tcpCloseWaitTimeoutMs: 0,
  });
});
