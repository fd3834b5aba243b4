import { describe, expect, test } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import { DEFAULT_TCP_OPTIONS } from "../xds/tcp-options.ts";
import { askedFromTexts } from "./asked.ts";
import type { KnownCluster } from "./known-cluster.ts";

function service(name: string, spec: object): void {
  const { value } = serviceFromObject({ metadata: { namespace: "shop", name }, spec });
  if (value) state.upsert("Service", value);
}

const state = new ClusterState();
const DNS = [
  { name: "dns", port: 53, protocol: "UDP" },
  { name: "dns-tcp", port: 53 },
  { name: "metrics", port: 9153 },
];
service("orders-api", { clusterIP: "10.96.0.10", ports: [{ name: "http", port: 80 }] });
service("dns", { clusterIPs: ["10.96.0.53", "fd00:96::53"], ports: DNS });
service("db", { clusterIP: "None", ports: [{ port: 5432 }] });
service("phone", { clusterIP: "10.96.0.20", ports: [{ port: 5060, protocol: "SCTP" }] });
for (const [addressType, address] of [
  ["IPv4", "10.1.1.10"],
  ["IPv6", "fd00:1:1::a"],
]) {
  const metadata = { namespace: "shop", name: `web-${addressType}` };
  const targetRef = { kind: "Pod", name: "web-0" };
  const endpoints = [{ addresses: [address], targetRef }];
  const { value } = endpointSliceFromObject({ metadata, addressType, endpoints });
  if (value) state.upsert("EndpointSlice", value);
}

const known: KnownCluster = {
  isSynced: true,
  state,
  frontends: new Map(),
  node: {
    name: "node-1",
    zone: "",
    primaryAddresses: ["192.0.2.1"],
    nodePortAddresses: [],
    defaults: DEFAULT_SETTINGS,
  },
  serviceProxyName: undefined,
  localDetector: { kind: "none" },
  connecting: DEFAULT_TCP_OPTIONS,
  problems: [],
  lastSyncError: "",
};

function ask(to: string, from?: string) {
  return askedFromTexts({ to, from }, known);
}

describe("what is dialled", () => {
  test.each([
    ["10.96.0.10:80", { address: "10.96.0.10", port: 80, protocol: "TCP" }],
    ["10.96.0.53:53/udp", { address: "10.96.0.53", port: 53, protocol: "UDP" }],
    ["[FD00:96::53]:53/UDP", { address: "fd00:96::53", port: 53, protocol: "UDP" }],
    ["shop/orders-api", { address: "10.96.0.10", port: 80, protocol: "TCP" }],
    ["shop/orders-api:http", { address: "10.96.0.10", port: 80, protocol: "TCP" }],
    ["shop/dns:dns", { address: "10.96.0.53", port: 53, protocol: "UDP" }],
    ["shop/dns:53/tcp", { address: "10.96.0.53", port: 53, protocol: "TCP" }],
  ])("%s", (text, expected) => {
    expect(ask(text)).toEqual({ client: undefined, ...expected });
  });

  test.each([
    ["shop/order-api", "no Service shop/order-api (did you mean shop/orders-api?)"],
    ["default/dns", "no Service default/dns (there is shop/dns)"],
    ["orders-api", "orders-api: give a Service as NAMESPACE/NAME[:PORT]: shop/orders-api?"],
    ["10.96.0.10", "10.96.0.10: give a Service as NAMESPACE/NAME[:PORT], or ADDRESS:PORT"],
    ["10.96.0.10:0", "10.96.0.10:0: a port is from 1 to 65535"],
    ["10.96.0.10:80/quic", "quic: a protocol is TCP, UDP or SCTP"],
    ["10.96.0.10:80/sctp", "Portico does not carry SCTP; it leaves it alone"],
    ["shop/orders-api:81", "it has no such port; give one of shop/orders-api:http/TCP"],
    ["shop/dns", "that is more than one port; give one of shop/dns:dns/UDP, shop/dns:dns-tcp/TCP"],
    ["shop/dns:53", "that is more than one port"],
    ["shop/db", "Portico does not serve Service shop/db: it is headless"],
    ["shop/phone", "Service shop/phone: not carried: SCTP port 5060"],
  ])("%s is refused", (text, message) => {
    expect(() => ask(text)).toThrow(message);
  });
});

describe("who dials", () => {
  test("an address, or a Pod in the family of what it dials", () => {
    expect(ask("shop/dns:dns", "10.1.1.10").client).toBe("10.1.1.10");
    expect(ask("shop/dns:dns", "[fd00:1:1::a]")).toMatchObject({
      client: "fd00:1:1::a",
      address: "fd00:96::53",
    });
    expect(ask("shop/orders-api", "shop/web-0").client).toBe("10.1.1.10");
    expect(ask("[fd00:96::53]:53", "shop/web-0").client).toBe("fd00:1:1::a");
  });

  test("a Pod that no slice names, where somebody else knows it", () => {
    const texts = { to: "shop/orders-api", from: "shop/client" };
    const asked = askedFromTexts(texts, known, (pod) => (pod === texts.from ? ["10.1.1.9"] : []));
    expect(asked.client).toBe("10.1.1.9");
  });

  test.each([
    ["shop/web-1", "no EndpointSlice names such a Pod (did you mean shop/web-0?)"],
    ["shop/nobody", "give its address instead: kubectl get pod nobody -o wide"],
    ["web-0", "--from web-0: give an address, or a Pod as NAMESPACE/NAME"],
    ["fd00:1:1::a", "Service shop/orders-api has no IPv6 address: it is 10.96.0.10"],
  ])("%s is refused", (from, message) => {
    expect(() => ask("shop/orders-api", from)).toThrow(message);
  });

  test("a client of another family than the address", () => {
    const message = "fd00::1 is fd00::1, and 10.96.0.10 is IPv4: give both of one family";
    expect(() => ask("10.96.0.10:80", "fd00::1")).toThrow(message);
  });
});
