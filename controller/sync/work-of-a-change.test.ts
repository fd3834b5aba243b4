// Every kind of change of the cluster, from its objects to the table, Envoy's UDP and the kernel:
// it costs what changed, however many Services there are. Reads are counted, not time.

import { expect, it } from "vitest";
import { countReads } from "../../test/stand-ins/counted-reads.ts";
import { NODE_NAME, SimulatedNode } from "../../test/stand-ins/simulated-node.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Node, Service } from "../model/types.ts";

const PROTOCOLS = ["TCP", "UDP"];

/** A Service with a port of each protocol. */
function service(
  name: string,
  spec: object = {},
  port: object = {},
  annotations: object = {},
): Service {
  const ports = PROTOCOLS.map((protocol) => ({ name: protocol, protocol, port: 80, ...port }));
  return serviceFromObject({ metadata: { name, annotations }, spec: { ports, ...spec } })
    .value as Service;
}

interface PlainEndpoint {
  address: string;
  zone?: string;
}

function slice(serviceName: string, endpoints: readonly PlainEndpoint[]): EndpointSlice {
  return endpointSliceFromObject({
    metadata: { name: `${serviceName}-1`, labels: { "kubernetes.io/service-name": serviceName } },
    addressType: "IPv4",
    ports: PROTOCOLS.map((protocol) => ({ name: protocol, port: 80, protocol })),
    endpoints: endpoints.map(({ address, zone }) => ({
      addresses: [address],
      nodeName: NODE_NAME,
      hints: zone ? { forZones: [{ name: zone }] } : {},
    })),
  }).value as EndpointSlice;
}

function node(address: string, zone: string): Node {
  const metadata = { name: NODE_NAME, labels: { "topology.kubernetes.io/zone": zone } };
  const status = { addresses: [{ type: "InternalIP", address }] };
  return nodeFromObject({ metadata, status }).value as Node;
}

/** Many plain Services, and one of each kind that depends on the node; synced. */
async function nodeWith(services: number): Promise<SimulatedNode> {
  const simulated = new SimulatedNode();
  const { state } = simulated;
  state.upsert("Node", node("192.0.2.1", "zone-a"));
  for (let index = 0; index < services; index++) {
    const place = `${index >> 8}.${index & 255}`;
    state.upsert("Service", service(`s${index}`, { clusterIP: `10.96.${place}` }));
    state.upsert("EndpointSlice", slice(`s${index}`, [{ address: `10.1.${place}` }]));
  }
  state.upsert("Service", service("empty", { clusterIP: "10.97.0.1" }));
  state.upsert("Service", service("hinted", { clusterIP: "10.97.0.2" }));
  const hinted = ["zone-a", "zone-b"].map((zone, index) => ({ address: `10.2.0.${index}`, zone }));
  state.upsert("EndpointSlice", slice("hinted", hinted));
  const open = { clusterIP: "10.97.0.3", type: "NodePort" };
  state.upsert("Service", service("open", open, { nodePort: 30080 }));
  state.upsert("EndpointSlice", slice("open", [{ address: "10.2.0.9" }]));
  await simulated.sync();
  return simulated;
}

const HUNDRED = Array.from({ length: 100 }, (_, index) => ({ address: `10.3.0.${index}` }));

const CHANGES: Record<string, (node: SimulatedNode) => void> = {
  "one more endpoint": ({ state }) =>
    state.upsert("EndpointSlice", slice("s7", [{ address: "10.1.0.7" }, { address: "10.9.9.9" }])),
  "the first endpoint": ({ state }) =>
    state.upsert("EndpointSlice", slice("empty", [{ address: "10.9.9.9" }])),
  "the last endpoint": ({ state }) => state.remove("EndpointSlice", "default/s7-1"),
  "a hundred endpoints": ({ state }) => state.upsert("EndpointSlice", slice("s7", HUNDRED)),
  "a Service made": ({ state }) =>
    state.upsert("Service", service("new", { clusterIP: "10.98.0.1" })),
  "a Service deleted": ({ state }) => state.remove("Service", "default/s7"),
  "an external IP": ({ state }) =>
    state.upsert(
      "Service",
      service("s7", { clusterIP: "10.96.0.7", externalIPs: ["203.0.113.7"] }),
    ),
  "a node port": ({ state }) =>
    state.upsert(
      "Service",
      service("s7", { clusterIP: "10.96.0.7", type: "NodePort" }, { nodePort: 30081 }),
    ),
  "a traffic policy": ({ state }) =>
    state.upsert(
      "Service",
      service("s7", { clusterIP: "10.96.0.7", internalTrafficPolicy: "Local" }),
    ),
  "session affinity": ({ state }) =>
    state.upsert("Service", service("s7", { clusterIP: "10.96.0.7", sessionAffinity: "ClientIP" })),
  "an annotation": ({ state }) => {
    const own = { "portico.dev/balancing": "round-robin" };
    state.upsert("Service", service("s7", { clusterIP: "10.96.0.7" }, {}, own));
  },
  hints: ({ state }) =>
    state.upsert("EndpointSlice", slice("s7", [{ address: "10.1.0.7", zone: "zone-b" }])),
  "an address that another Service has": ({ state }) =>
    state.upsert("Service", service("s7", { clusterIP: "10.97.0.1" })),
  "an endpoint that is a frontend": ({ state }) =>
    state.upsert("EndpointSlice", slice("s7", [{ address: "10.96.0.8" }])),
  "the node's zone": ({ state }) => state.upsert("Node", node("192.0.2.1", "zone-b")),
  "the node's address": ({ state }) => state.upsert("Node", node("192.0.2.2", "zone-a")),
  "a Service CIDR": ({ state }) =>
    state.upsert("ServiceCIDR", { name: "kubernetes", cidrs: ["10.96.0.0/12"] }),
  "another node": ({ state }) =>
    state.upsert("Node", { ...node("192.0.2.9", "zone-b"), name: "node-2" }),
};

it.each(Object.keys(CHANGES))("%s costs the same among few and many Services", async (name) => {
  const readsAmong = async (services: number) => {
    const simulated = await nodeWith(services);
    CHANGES[name]?.(simulated);
    return countReads(() => simulated.sync());
  };
  expect(await readsAmong(1_000)).toBe(await readsAmong(10));
});

it("counts what everything costs, too", async () => {
  const simulated = await nodeWith(100);
  simulated.reconciler.forgetCapture();
  expect(await countReads(() => simulated.sync())).toBeGreaterThan(100);
});
