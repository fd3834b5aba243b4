// Services that are not for Portico to serve. Their addresses are nobody's, as far as it knows.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, service, slice } from "./objects.ts";

const WEB = "10.96.0.10:80";
const OTHER_PROXY = { labels: { "service.kubernetes.io/service-proxy-name": "other" } };
const HEADLESS = { labels: { "service.kubernetes.io/headless": "" } };
const NODE_PORT = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };

export const LABEL_CASES: readonly ConnectionCase[] = [
  {
    name: "a Service of another proxy is not served, nor its node port",
    objects: [service(NODE_PORT, OTHER_PROXY), slice(["pod-b"])],
    connections: [
      connection("pod-a", WEB, "dropped"),
      connection("outside", "192.0.2.1:30080", "untouched"),
    ],
  },
  {
    name: "the proxy's name on a Service comes and goes",
    objects: [service(), slice(["pod-b"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
    later: [
      {
        objects: [service({}, OTHER_PROXY), slice(["pod-b"])],
        connections: [connection("pod-a", WEB, "dropped")],
      },
      {
        objects: [service(), slice(["pod-b"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
      },
    ],
  },
  {
    name: "a Service with the headless label is served like others, whatever its value",
    objects: [
      service(NODE_PORT, HEADLESS),
      slice(["pod-b"]),
      service(
        { clusterIP: "10.96.0.11" },
        { name: "api", labels: { "service.kubernetes.io/headless": "no" } },
      ),
      slice(["pod-b"], { serviceName: "api" }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.11:80", keptBy(at("pod-b"))),
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"))),
    ],
  },
  {
    name: "a slice with the headless label does not count",
    objects: [
      service(),
      slice(["pod-b"], { name: "web-1", ...HEADLESS }),
      slice(["pod-e"], { name: "web-2" }),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-e")))],
  },
  {
    name: "a headless Service is not served",
    objects: [service({ clusterIP: "None", clusterIPs: ["None"] }), slice(["pod-b"])],
    connections: [
      connection("pod-a", WEB, "dropped"),
      connection("pod-a", "10.1.1.11:8080", "untouched"),
    ],
  },
  {
    name: "a Service of type ExternalName is not served, and as another type it is",
    objects: [service({ type: "ExternalName", externalName: "example.org" }), slice(["pod-b"])],
    connections: [connection("pod-a", WEB, "dropped")],
    later: [
      {
        objects: [service(NODE_PORT), slice(["pod-b"])],
        connections: [
          connection("pod-a", WEB, keptBy(at("pod-b"))),
          connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"))),
        ],
      },
      {
        objects: [service({ type: "ExternalName", externalName: "example.org", clusterIP: "" })],
        connections: [
          connection("pod-a", WEB, "dropped"),
          connection("outside", "192.0.2.1:30080", "untouched"),
        ],
      },
    ],
  },
];
