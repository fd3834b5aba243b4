// Changes of the cluster, entry by entry through node view, reconciler and nft, against what the
// whole state gives when it is computed from scratch.

import fc from "fast-check";
import { expect, it } from "vitest";
import { bindingsAt } from "../../test/stand-ins/captured.ts";
import { NODE_NAME, type Part, SimulatedNode } from "../../test/stand-ins/simulated-node.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { Parsed } from "../model/json.ts";

function parsed<T>({ value, problems }: Parsed<T>): T {
  if (value === undefined) throw new Error(JSON.stringify(problems));
  return value;
}

const service = (name: string, spec: object, status = {}) =>
  parsed(serviceFromObject({ metadata: { name }, spec, status }));

/** `endpoints`: address → node. */
const slice = (serviceName: string, endpoints: Record<string, string>) =>
  parsed(
    endpointSliceFromObject({
      metadata: { name: `${serviceName}-1`, labels: { "kubernetes.io/service-name": serviceName } },
      addressType: "IPv4",
      ports: ["TCP", "UDP"].map((protocol) => ({ name: protocol, port: 8080, protocol })),
      endpoints: Object.entries(endpoints).map(([address, nodeName]) => {
        return { addresses: [address], nodeName };
      }),
    }),
  );

const node = (address: string) => {
  const status = { addresses: [{ type: "InternalIP", address }] };
  return parsed(nodeFromObject({ metadata: { name: NODE_NAME }, status }));
};

type Happening = (node: SimulatedNode) => void;

const name = fc.constantFrom("a", "b", "c", "d");
const policy = fc.constantFrom("Cluster", "Local");
const sourceRanges = fc.constantFrom([], ["198.51.100.0/24"], ["198.51.100.0/25", "10.1.0.0/16"]);

const serviceMade = fc
  .record({
    name,
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer"),
    clusterIP: fc.constantFrom("10.96.0.1", "10.96.0.2", "10.96.0.3", "fd00:96::1"),
    protocols: fc.constantFrom(["TCP"], ["UDP"], ["TCP", "UDP"]),
    nodePort: fc.constantFrom(30080, 30081),
    externalIPs: fc.subarray(["203.0.113.7", "192.0.2.1"]),
    ingress: fc.subarray(["203.0.113.9", "203.0.113.10"]),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    loadBalancerSourceRanges: sourceRanges,
  })
  .map(({ name, protocols, nodePort, ingress, ...spec }): Happening => {
    const hasNodePorts = spec.type !== "ClusterIP";
    const ports = protocols.map((protocol) => {
      return { name: protocol, protocol, port: 80, ...(hasNodePorts && { nodePort }) };
    });
    const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } };
    const made = service(name, { ...spec, ports }, status);
    return ({ state }) => state.upsert("Service", made);
  });

const endpointsSet = fc
  .tuple(
    name,
    fc.dictionary(
      fc.constantFrom("10.1.1.1", "10.1.1.2", "10.1.1.3"),
      fc.constantFrom(NODE_NAME, "node-2"),
      { noNullPrototype: true },
    ),
  )
  .map(([service, endpoints]): Happening => {
    return ({ state }) => state.upsert("EndpointSlice", slice(service, endpoints));
  });

const cidrs = fc.subarray(["10.96.0.0/16", "10.96.0.0/12", "10.112.0.0/16", "fd00:96::/112"]);
const frontends = fc.subarray(["10.96.0.1:80/UDP", "10.96.0.2:80/UDP", "203.0.113.7:80/UDP"]);

const others: fc.Arbitrary<Happening> = fc.oneof(
  name.map(
    (each): Happening =>
      ({ state }) =>
        state.remove("Service", `default/${each}`),
  ),
  name.map(
    (each): Happening =>
      ({ state }) =>
        state.remove("EndpointSlice", `default/${each}-1`),
  ),
  fc.constantFrom("192.0.2.1", "192.0.2.2").map(
    (address): Happening =>
      ({ state }) =>
        state.upsert("Node", node(address)),
  ),
  fc.constant<Happening>(({ state }) => state.remove("Node", NODE_NAME)),
  cidrs.map((each): Happening => {
    return ({ state }) => state.upsert("ServiceCIDR", { name: "kubernetes", cidrs: each });
  }),
  frontends.map((each): Happening => {
    return (node) => {
      node.refused = new Set(each);
    };
  }),
  frontends.map((each): Happening => {
    return (node) => {
      const bound = each.map((key, index) => [key, { keep: `240.0.0.${index + 1}` }] as const);
      node.former = bindingsAt(Object.fromEntries(bound));
    };
  }),
  fc.constantFrom("10.1.1.0/24", "10.1.2.0/24").map(
    (cidr): Happening =>
      (node) =>
        node.setPods([cidr]),
  ),
  fc.constant<Happening>(({ reconciler }) => reconciler.forgetCapture()),
  fc.constant<Happening>(({ reconciler }) => reconciler.forgetTable()),
  fc.constant<Happening>((node) => node.restartEnvoy()),
);

const happening = fc.oneof(
  { weight: 4, arbitrary: serviceMade },
  { weight: 4, arbitrary: endpointsSet },
  { weight: 4, arbitrary: others },
);

/** The part fails when it is used again after that many times; undefined: nothing fails. */
const failure = fc.option(
  fc.record({
    part: fc.constantFrom<Part>("table", "listeners", "nft", "nft"),
    after: fc.integer({ min: 0, max: 2 }),
  }),
  { nil: undefined, freq: 3 },
);

const step = fc.record({
  happenings: fc.array(happening, { minLength: 1, maxLength: 4 }),
  full: fc.boolean(),
  failure,
});

it("what the kernel has is what the whole state says, byte for byte, whatever failed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const node = new SimulatedNode(8);
      for (const { happenings, full, failure } of steps) {
        for (const happen of happenings) happen(node);
        let uses = 0;
        node.fault = (part) => {
          if (part !== failure?.part) return;
          uses += 1;
          if (uses > failure.after) throw new Error(`${part} fails`);
        };
        const isDone = await node.sync(full).then(
          () => true,
          (error) => {
            if (failure === undefined || uses <= failure.after) throw error;
            return false;
          },
        );
        if (isDone) expect(node.nft.text()).toBe(node.wantedText());
      }
      node.fault = () => {};
      await node.sync();
      expect(node.nft.text()).toBe(node.wantedText());
    }),
    { numRuns: 150, seed: 20261201 },
  );
});
