// Dual-stack Services: each family has what is its own, and nothing of the other's.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, service, slice } from "./objects.ts";
import { podAddress } from "./topology.ts";

const BOTH = { clusterIP: "fd00:96::a", clusterIPs: ["fd00:96::a", "10.96.0.10"] };
const FOUR = "10.96.0.10:80";
const SIX = "[fd00:96::a]:80";

const sixSlice = (pods: readonly ("pod-b" | "pod-e")[]) =>
  slice(
    pods.map((pod) => ({
      addresses: [podAddress(pod, "IPv6")],
      nodeName: pod === "pod-b" ? "node-1" : "node-2",
    })),
    { name: "web-six", addressType: "IPv6" },
  );
const atSix = (pod: "pod-b" | "pod-e") => `[${podAddress(pod, "IPv6")}]:8080`;

export const FAMILY_CASES: readonly ConnectionCase[] = [
  {
    name: "a dual-stack Service is served in both families by the endpoints of each",
    oneFamily: true,
    objects: [service(BOTH), slice(["pod-b"]), sixSlice(["pod-b", "pod-e"])],
    connections: [
      connection("pod-a", FOUR, keptBy(at("pod-b"))),
      connection("pod-a", SIX, keptBy(atSix("pod-b"), atSix("pod-e"))),
      connection("host", SIX, keptBy(atSix("pod-b"), atSix("pod-e"))),
    ],
  },
  {
    name: "a family without endpoints is refused, the other served",
    oneFamily: true,
    objects: [service(BOTH), slice(["pod-b"])],
    connections: [
      connection("pod-a", FOUR, keptBy(at("pod-b"))),
      connection("pod-a", SIX, "refused"),
    ],
    later: [
      {
        objects: [service(BOTH), sixSlice(["pod-e"])],
        connections: [
          connection("pod-a", FOUR, "refused"),
          connection("pod-a", SIX, keptBy(atSix("pod-e"))),
        ],
      },
    ],
  },
  {
    name: "what is external of a Service is of its families alone",
    oneFamily: true,
    objects: [
      service({
        type: "NodePort",
        ports: [{ port: 80, nodePort: 30080 }],
        externalIPs: ["203.0.113.7", "fd00:203::7"],
      }),
      slice(["pod-b"]),
      sixSlice(["pod-b"]),
    ],
    connections: [
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"))),
      connection("outside", "[fd00:2::1]:30080", "untouched"),
      connection("outside", "203.0.113.7:80", masqueradedTo(at("pod-b"))),
      connection("outside", "[fd00:203::7]:80", "untouched"),
      connection("pod-a", "[fd00:203::7]:80", "untouched"),
    ],
  },
  {
    name: "a Service that gains a family is served in both, and that loses one in the other",
    oneFamily: true,
    objects: [service(), slice(["pod-b"]), sixSlice(["pod-b"])],
    connections: [
      connection("pod-a", FOUR, keptBy(at("pod-b"))),
      connection("pod-a", SIX, "dropped"),
    ],
    later: [
      {
        objects: [
          service({ clusterIPs: ["10.96.0.10", "fd00:96::a"] }),
          slice(["pod-b"]),
          sixSlice(["pod-b"]),
        ],
        connections: [
          connection("pod-a", FOUR, keptBy(at("pod-b"))),
          connection("pod-a", SIX, keptBy(atSix("pod-b"))),
        ],
      },
      {
        objects: [service(), slice(["pod-b"]), sixSlice(["pod-b"])],
        connections: [
          connection("pod-a", FOUR, keptBy(at("pod-b"))),
          connection("pod-a", SIX, "dropped"),
        ],
      },
    ],
  },
  {
    name: "source ranges of one family restrict nobody of the other",
    oneFamily: true,
    objects: [
      {
        ...service({
          ...BOTH,
          type: "LoadBalancer",
          loadBalancerSourceRanges: ["198.51.100.0/24"],
        }),
        status: { loadBalancer: { ingress: [{ ip: "203.0.113.9" }, { ip: "fd00:203::9" }] } },
      },
      slice(["pod-b"]),
      sixSlice(["pod-b"]),
    ],
    connections: [
      connection("outside", "203.0.113.9:80", "dropped"),
      connection("outside", "[fd00:203::9]:80", masqueradedTo(atSix("pod-b"))),
    ],
  },
];
