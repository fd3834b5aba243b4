// Cluster IPs: who answers, and what becomes of ports and addresses that are nobody's.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, service, slice } from "./objects.ts";

const WEB = "10.96.0.10:80";

export const CLUSTER_IP_CASES: readonly ConnectionCase[] = [
  {
    name: "a cluster IP leads to the endpoint behind it, which sees the client Pod's address",
    objects: [service(), slice(["pod-e"])],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-e"))),
      connection("pod-b", WEB, keptBy(at("pod-e"))),
    ],
  },
  {
    name: "a cluster IP leads to endpoints on this node and on others alike",
    objects: [service(), slice(["pod-b", "pod-c", "pod-e"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c"), at("pod-e")))],
  },
  {
    name: "a process on the host reaches a cluster IP, and is seen as the node",
    objects: [service(), slice(["pod-b", "pod-e"])],
    connections: [connection("host", WEB, keptBy(at("pod-b"), at("pod-e")))],
  },
  {
    name: "all ports of a Service lead each to its own target",
    objects: [
      service({
        ports: [
          { name: "http", port: 80, targetPort: 8080 },
          { name: "admin", port: 90, targetPort: 9090 },
        ],
      }),
      slice(["pod-b"], {
        ports: [
          { name: "admin", port: 9090 },
          { name: "http", port: 8080 },
        ],
      }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b", 8080))),
      connection("pod-a", "10.96.0.10:90", keptBy(at("pod-b", 9090))),
    ],
  },
  {
    name: "a named target port may have another number on other Pods",
    objects: [
      service({ ports: [{ name: "http", port: 80, targetPort: "http" }] }),
      slice(["pod-b"], { name: "web-1", ports: [{ name: "http", port: 8080 }] }),
      slice(["pod-e"], { name: "web-2", ports: [{ name: "http", port: 9090 }] }),
    ],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b", 8080), at("pod-e", 9090)))],
  },
  {
    name: "two ports of a Service may lead to the same target",
    objects: [
      service({
        ports: [
          { name: "old", port: 80 },
          { name: "new", port: 443 },
        ],
      }),
      slice(["pod-b"], {
        ports: [
          { name: "old", port: 8080 },
          { name: "new", port: 8080 },
        ],
      }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.10:443", keptBy(at("pod-b"))),
    ],
  },
  {
    name: "Services that share a port number and a Pod do not get in each other's way",
    objects: [
      service(),
      slice(["pod-b"]),
      service({ clusterIP: "10.96.0.11" }, { name: "api" }),
      slice(["pod-b", "pod-c"], { serviceName: "api", ports: [{ port: 9090 }] }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.11:80", keptBy(at("pod-b", 9090), at("pod-c", 9090))),
    ],
  },
  {
    name: "Services of the same name in two namespaces are two Services",
    objects: [
      service(),
      slice(["pod-b"]),
      service({ clusterIP: "10.96.0.11" }, { namespace: "test" }),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.11:80", "refused"),
    ],
  },
  {
    name: "a cluster IP with leading zeros is read as decimal",
    oneFamily: true,
    objects: [service({ clusterIP: "010.096.000.010" }), slice(["pod-b"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
  },
  {
    name: "a TCP port is served beside a UDP port of the same number",
    objects: [
      service({
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
        ],
      }),
      slice(["pod-b"], {
        ports: [
          { name: "dns", port: 9090, protocol: "UDP" },
          { name: "dns-tcp", port: 8080, protocol: "TCP" },
        ],
      }),
    ],
    connections: [connection("pod-a", "10.96.0.10:53", keptBy(at("pod-b", 8080)))],
  },
  {
    name: "a port that the Service does not have is refused",
    objects: [service(), slice(["pod-b"])],
    connections: [
      connection("pod-a", "10.96.0.10:81", "refused"),
      connection("pod-a", "10.96.0.10:8080", "refused"),
      connection("host", "10.96.0.10:81", "refused"),
    ],
  },
  {
    name: "an address of the Service CIDR that no Service has is dropped",
    objects: [service(), slice(["pod-b"])],
    connections: [
      connection("pod-a", "10.96.0.99:80", "dropped"),
      connection("host", "10.96.0.99:80", "dropped"),
      connection("pod-a", "10.96.255.255:80", "dropped"),
    ],
  },
  {
    name: "without a ServiceCIDR object, an address that no Service has is left alone",
    objects: [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "ServiceCIDR",
        metadata: { name: "kubernetes" },
        spec: { cidrs: [] },
      },
      service(),
      slice(["pod-b"]),
    ],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.99:80", "untouched"),
    ],
  },
  {
    name: "a second ServiceCIDR is obeyed, for Services and for addresses that are nobody's",
    objects: [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "ServiceCIDR",
        metadata: { name: "more" },
        spec: { cidrs: ["10.97.0.0/24"] },
      },
      service({ clusterIP: "10.97.0.10" }),
      slice(["pod-b"]),
    ],
    connections: [
      connection("pod-a", "10.97.0.10:80", keptBy(at("pod-b"))),
      connection("pod-a", "10.97.0.99:80", "dropped"),
      connection("pod-a", "10.96.0.99:80", "dropped"),
    ],
  },
  {
    name: "a deleted Service's address is nobody's, and made again it works again",
    objects: [service(), slice(["pod-b"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b")))],
    later: [
      { objects: [slice(["pod-b"])], connections: [connection("pod-a", WEB, "dropped")] },
      {
        objects: [service({ clusterIP: "10.96.0.20" }), slice(["pod-b"])],
        connections: [
          connection("pod-a", WEB, "dropped"),
          connection("pod-a", "10.96.0.20:80", keptBy(at("pod-b"))),
        ],
      },
    ],
  },
  {
    name: "ports that are added and removed take effect",
    objects: [service(), slice(["pod-b"])],
    connections: [connection("pod-a", "10.96.0.10:90", "refused")],
    later: [
      {
        objects: [
          service({
            ports: [
              { name: "http", port: 80 },
              { name: "admin", port: 90 },
            ],
          }),
          slice(["pod-b"], {
            ports: [
              { name: "http", port: 8080 },
              { name: "admin", port: 9090 },
            ],
          }),
        ],
        connections: [
          connection("pod-a", WEB, keptBy(at("pod-b", 8080))),
          connection("pod-a", "10.96.0.10:90", keptBy(at("pod-b", 9090))),
        ],
      },
      {
        objects: [
          service({ ports: [{ name: "admin", port: 90 }] }),
          slice(["pod-b"], { ports: [{ name: "admin", port: 9090 }] }),
        ],
        connections: [
          connection("pod-a", WEB, "refused"),
          connection("pod-a", "10.96.0.10:90", keptBy(at("pod-b", 9090))),
        ],
      },
    ],
  },
  {
    name: "whoever is no Pod of this node is masqueraded, since replies may take another way",
    needs: ["local-pods"],
    objects: [service(), slice(["pod-b", "pod-e"])],
    connections: [
      connection("outside", WEB, masqueradedTo(at("pod-b"), at("pod-e"))),
      connection("pod-f", WEB, masqueradedTo(at("pod-b"), at("pod-e"))),
      connection("outside", "10.96.0.10:81", "refused"),
      connection("outside", "10.96.0.99:80", "dropped"),
    ],
  },
  {
    name: "connections to addresses that are no Service's are left alone",
    objects: [service(), slice(["pod-b"])],
    connections: [
      connection("pod-a", "10.1.1.11:8080", "untouched"),
      connection("pod-a", "10.1.2.10:80", "untouched"),
      connection("host", "10.1.1.11:8080", "untouched"),
    ],
  },
];
