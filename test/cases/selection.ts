// Which of a Service's endpoints may answer: conditions, many slices, change over time, hints.

import type { ConnectionCase } from "./case.ts";
import {
  at,
  connection,
  endpoint,
  GONE,
  keptBy,
  service,
  slice,
  TERMINATING,
  UNREADY,
} from "./objects.ts";

const WEB = "10.96.0.10:80";

export const SELECTION_CASES: readonly ConnectionCase[] = [
  {
    name: "a Service without EndpointSlices is refused",
    objects: [service()],
    connections: [connection("pod-a", WEB, "refused"), connection("host", WEB, "refused")],
  },
  {
    name: "a Service with empty EndpointSlices is refused",
    objects: [service(), slice([]), slice(["pod-b"], { name: "web-2", ports: [] })],
    connections: [connection("pod-a", WEB, "refused")],
  },
  {
    name: "an endpoint that is not ready does not answer",
    objects: [service(), slice(["pod-b", endpoint("pod-c", UNREADY)])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
  },
  {
    name: "no endpoint ready and none terminating is refused",
    objects: [service(), slice([endpoint("pod-b", UNREADY), endpoint("pod-e", UNREADY)])],
    connections: [connection("pod-a", WEB, "refused")],
  },
  {
    name: "an endpoint that serves, but is neither ready nor terminating, does not answer",
    objects: [service(), slice([endpoint("pod-b", { ready: false, serving: true })])],
    connections: [connection("pod-a", WEB, "refused")],
  },
  {
    name: "an endpoint of which nothing is said is ready",
    objects: [service(), slice([endpoint("pod-b", {}), endpoint("pod-c")])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c")))],
  },
  {
    name: "terminating endpoints that still serve answer when none is ready",
    objects: [
      service(),
      slice([
        endpoint("pod-b", TERMINATING),
        endpoint("pod-c", GONE),
        endpoint("pod-e", TERMINATING),
      ]),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-e")))],
  },
  {
    name: "terminating endpoints do not answer while one is ready",
    objects: [service(), slice([endpoint("pod-b", TERMINATING), "pod-e"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
  },
  {
    name: "terminating endpoints that do not serve any more are refused",
    objects: [service(), slice([endpoint("pod-b", GONE)])],
    connections: [connection("pod-a", WEB, "refused")],
  },
  {
    name: "an endpoint that is published though it is going is ready",
    objects: [
      service({ publishNotReadyAddresses: true }),
      slice([endpoint("pod-b", { ready: true, serving: false, terminating: true }), "pod-c"]),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c")))],
  },
  {
    name: "the endpoints of many slices answer together",
    objects: [
      service(),
      slice(["pod-b"], { name: "web-1" }),
      slice(["pod-c", "pod-d"], { name: "web-2" }),
      slice(["pod-e", "pod-f"], { name: "web-3" }),
    ],
    connections: [
      connection(
        "pod-a",
        WEB,
        keptBy(...(["pod-b", "pod-c", "pod-d", "pod-e", "pod-f"] as const).map((pod) => at(pod))),
      ),
    ],
  },
  {
    name: "slices for different ports of a Service go together",
    objects: [
      service({
        ports: [
          { name: "http", port: 80 },
          { name: "admin", port: 90 },
        ],
      }),
      slice(["pod-b"], { name: "web-1", ports: [{ name: "http", port: 8080 }] }),
      slice(["pod-e"], { name: "web-2", ports: [{ name: "admin", port: 9090 }] }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.10:90", keptBy(at("pod-e", 9090))),
    ],
  },
  {
    name: "an endpoint that stands in two slices is one endpoint",
    objects: [
      service(),
      slice(["pod-b", "pod-e"], { name: "web-1" }),
      slice(["pod-b"], { name: "web-2" }),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-e")))],
  },
  {
    name: "one address with two ports is two endpoints",
    objects: [
      service(),
      slice(["pod-b"], { name: "web-1" }),
      slice(["pod-b"], { name: "web-2", ports: [{ port: 8081 }] }),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b", 8080), at("pod-b", 8081)))],
  },
  {
    name: "only the first address of an endpoint counts",
    objects: [service(), slice([{ addresses: ["10.1.1.11", "10.1.1.12"], nodeName: "node-1" }])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
  },
  {
    name: "a slice of another port name or protocol does not count",
    objects: [
      service({ ports: [{ name: "http", port: 80 }] }),
      slice(["pod-b"], { name: "web-1", ports: [{ name: "https", port: 8080 }] }),
      slice(["pod-c"], { name: "web-2", ports: [{ name: "http", port: 8080, protocol: "UDP" }] }),
    ],
    connections: [connection("pod-a", WEB, "refused")],
  },
  {
    name: "slices of another Service, or of no Service, do not count",
    objects: [
      service(),
      slice(["pod-b"], { name: "x", serviceName: "api" }),
      slice(["pod-c"], { name: "y", serviceName: "" }),
      slice(["pod-e"]),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
  },
  {
    name: "slices of IPv6 addresses and of names do not count for an IPv4 address",
    oneFamily: true,
    objects: [
      service(),
      slice([{ addresses: ["fd00:1:1::b"] }], { name: "web-1", addressType: "IPv6" }),
      slice([{ addresses: ["example.org"] }], { name: "web-2", addressType: "FQDN" }),
      slice(["pod-e"], { name: "web-3" }),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
  },
  {
    name: "from no endpoints to some and back to none",
    objects: [service(), slice([])],
    connections: [connection("pod-a", WEB, "refused")],
    later: [
      {
        objects: [service(), slice(["pod-b"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
      },
      {
        objects: [service(), slice(["pod-b", "pod-c", "pod-e"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c"), at("pod-e")))],
      },
      {
        objects: [service(), slice(["pod-e"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
      },
      { objects: [service()], connections: [connection("pod-a", WEB, "refused")] },
    ],
  },
  {
    name: "a Pod is replaced: the new one is not ready, then both, then the old one goes",
    objects: [service(), slice(["pod-b", endpoint("pod-e", UNREADY)])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
    later: [
      {
        objects: [service(), slice(["pod-b", "pod-e"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-e")))],
      },
      {
        objects: [service(), slice([endpoint("pod-b", TERMINATING), "pod-e"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
      },
      {
        objects: [service(), slice([endpoint("pod-b", TERMINATING), endpoint("pod-e", UNREADY)])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
      },
    ],
  },
  {
    name: "endpoints hinted for this zone are preferred",
    objects: [
      service(),
      slice([hinted("pod-b", "zone-a"), hinted("pod-c", "zone-b"), hinted("pod-e", "zone-b")]),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
  },
  {
    name: "zone hints are void when one ready endpoint has none, or none is for this zone",
    objects: [
      service(),
      slice([hinted("pod-b", "zone-a"), "pod-e"]),
      service({ clusterIP: "10.96.0.11" }, { name: "api" }),
      slice([hinted("pod-c", "zone-c"), hinted("pod-e", "zone-b")], { serviceName: "api" }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-e"))),
      connection("pod-a", "10.96.0.11:80", keptBy(at("pod-c"), at("pod-e"))),
    ],
  },
  {
    name: "endpoints hinted for this node are preferred to those hinted for its zone",
    objects: [
      service(),
      slice([hinted("pod-b", "zone-b", "node-1"), hinted("pod-e", "zone-a", "node-2")]),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
  },
  {
    name: "with internal traffic policy Local only endpoints on this node answer",
    objects: [service({ internalTrafficPolicy: "Local" }), slice(["pod-b", "pod-c", "pod-e"])],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c"))),
      connection("host", WEB, keptBy(at("pod-b"), at("pod-c"))),
    ],
  },
  {
    name: "with internal traffic policy Local and endpoints elsewhere only, it is dropped",
    objects: [
      service({ internalTrafficPolicy: "Local" }),
      slice(["pod-e", endpoint("pod-b", UNREADY)]),
    ],
    connections: [connection("pod-a", WEB, "dropped")],
  },
  {
    name: "with internal traffic policy Local and no endpoints at all, it is refused",
    objects: [service({ internalTrafficPolicy: "Local" }), slice([endpoint("pod-e", GONE)])],
    connections: [connection("pod-a", WEB, "refused")],
  },
];

function hinted(pod: Parameters<typeof endpoint>[0], zone: string, node?: string): object {
  const forNodes = node === undefined ? {} : { forNodes: [{ name: node }] };
  return endpoint(pod, undefined, { forZones: [{ name: zone }], ...forNodes });
}
