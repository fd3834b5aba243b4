// UDP: the same doors for datagrams, beside TCP on the same port.

import type { ConnectionCase } from "./case.ts";
import { at, connection, datagram, keptBy, masqueradedTo, service, slice } from "./objects.ts";

const DNS_PORTS = [
  { name: "dns", port: 53, protocol: "UDP" },
  { name: "dns-tcp", port: 53, protocol: "TCP" },
];
const DNS = "10.96.0.10:53";

const dnsSlice = (pods: readonly ("pod-b" | "pod-e")[]) =>
  slice(pods, {
    ports: [
      { name: "dns", port: 9090, protocol: "UDP" },
      { name: "dns-tcp", port: 8080, protocol: "TCP" },
    ],
  });

export const UDP_CASES: readonly ConnectionCase[] = [
  {
    name: "UDP and TCP on the same port of a Service lead each to its own target",
    needs: ["udp"],
    objects: [service({ ports: DNS_PORTS }), dnsSlice(["pod-b", "pod-e"])],
    connections: [
      datagram("pod-a", DNS, keptBy(at("pod-b", 9090), at("pod-e", 9090))),
      datagram("host", DNS, keptBy(at("pod-b", 9090), at("pod-e", 9090))),
      connection("pod-a", DNS, keptBy(at("pod-b", 8080), at("pod-e", 8080))),
    ],
  },
  {
    name: "UDP at a node port, an external IP and a load balancer is masqueraded",
    needs: ["udp"],
    objects: [
      {
        ...service({
          type: "LoadBalancer",
          ports: [{ name: "dns", port: 53, protocol: "UDP", nodePort: 30053 }],
          externalIPs: ["203.0.113.7"],
        }),
        status: { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } },
      },
      dnsSlice(["pod-b"]),
    ],
    connections: [
      datagram("outside", "192.0.2.1:30053", masqueradedTo(at("pod-b", 9090))),
      datagram("outside", "203.0.113.7:53", masqueradedTo(at("pod-b", 9090))),
      datagram("host", "203.0.113.9:53", masqueradedTo(at("pod-b", 9090))),
      connection("outside", "192.0.2.1:30053", "untouched"),
    ],
  },
  {
    name: "UDP without endpoints is refused, from none to one and back",
    needs: ["udp"],
    objects: [service({ ports: DNS_PORTS })],
    connections: [
      datagram("pod-a", DNS, "refused"),
      datagram("host", DNS, "refused"),
      datagram("pod-a", "10.96.0.10:54", "refused"),
      datagram("host", "10.96.0.10:54", "refused"),
    ],
    later: [
      {
        objects: [service({ ports: DNS_PORTS }), dnsSlice(["pod-b"])],
        connections: [datagram("pod-a", DNS, keptBy(at("pod-b", 9090)))],
      },
      {
        objects: [service({ ports: DNS_PORTS })],
        connections: [datagram("pod-a", DNS, "refused")],
      },
    ],
  },
  {
    name: "a Pod reaches itself over UDP, and is seen as the node",
    needs: ["udp"],
    objects: [service({ ports: DNS_PORTS }), dnsSlice(["pod-b"])],
    connections: [datagram("pod-b", DNS, masqueradedTo(at("pod-b", 9090)))],
  },
  {
    name: "UDP and externalTrafficPolicy Local, by who dials",
    needs: ["udp", "local-pods"],
    objects: [
      service({
        type: "NodePort",
        ports: [{ name: "dns", port: 53, protocol: "UDP", nodePort: 30053 }],
        externalTrafficPolicy: "Local",
      }),
      dnsSlice(["pod-b", "pod-e"]),
    ],
    connections: [
      datagram("outside", "192.0.2.1:30053", keptBy(at("pod-b", 9090))),
      datagram("pod-a", "192.0.2.1:30053", keptBy(at("pod-b", 9090), at("pod-e", 9090))),
      datagram("host", "192.0.2.1:30053", masqueradedTo(at("pod-b", 9090), at("pod-e", 9090))),
    ],
    later: [
      {
        objects: [
          service({
            type: "NodePort",
            ports: [{ name: "dns", port: 53, protocol: "UDP", nodePort: 30053 }],
            externalTrafficPolicy: "Local",
          }),
          dnsSlice(["pod-e"]),
        ],
        connections: [
          datagram("outside", "192.0.2.1:30053", "dropped"),
          datagram("pod-a", "192.0.2.1:30053", keptBy(at("pod-e", 9090))),
        ],
      },
    ],
  },
  {
    name: "an SCTP port is not carried, and the other ports are",
    objects: [
      service({
        ports: [
          { name: "http", port: 80 },
          { name: "diameter", port: 3868, protocol: "SCTP", nodePort: 30868 },
        ],
      }),
      slice(["pod-b"], {
        ports: [
          { name: "http", port: 8080 },
          { name: "diameter", port: 9090, protocol: "SCTP" },
        ],
      }),
    ],
    connections: [
      connection("pod-a", "10.96.0.10:80", keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.10:3868", "refused"),
      connection("outside", "192.0.2.1:30868", "untouched"),
    ],
  },
];
