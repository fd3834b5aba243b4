// Session affinity: each client finds one backend, whichever of the Service's doors it takes. That
// it is the same behind all doors, and how long, is for tests with a clock.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, oneOf, service, slice } from "./objects.ts";

const AFFINE = {
  type: "NodePort",
  ports: [{ port: 80, nodePort: 30080 }],
  sessionAffinity: "ClientIP",
};
const WEB = "10.96.0.10:80";
const NODE = "192.0.2.1:30080";
const ALL = [at("pod-b"), at("pod-c"), at("pod-e")];

export const AFFINITY_CASES: readonly ConnectionCase[] = [
  {
    name: "session affinity leads each client to one backend",
    needs: ["affinity"],
    objects: [service(AFFINE), slice(["pod-b", "pod-c", "pod-e"])],
    connections: [
      connection("pod-a", WEB, oneOf(keptBy(...ALL))),
      connection("pod-d", WEB, oneOf(keptBy(...ALL))),
      connection("host", WEB, oneOf(keptBy(...ALL))),
      connection("outside", NODE, oneOf(masqueradedTo(...ALL))),
    ],
  },
  {
    name: "a backend that is gone is nobody's, whoever was used to it",
    needs: ["affinity"],
    objects: [service(AFFINE), slice(["pod-b"])],
    connections: [connection("pod-a", WEB, oneOf(keptBy(at("pod-b"))))],
    later: [
      {
        objects: [service(AFFINE), slice(["pod-c", "pod-e"])],
        connections: [connection("pod-a", WEB, oneOf(keptBy(at("pod-c"), at("pod-e"))))],
      },
    ],
  },
  {
    name: "session affinity is switched on and off",
    needs: ["affinity"],
    objects: [service({ ...AFFINE, sessionAffinity: "None" }), slice(["pod-b", "pod-c"])],
    connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c")))],
    later: [
      {
        objects: [service(AFFINE), slice(["pod-b", "pod-c"])],
        connections: [connection("pod-a", WEB, oneOf(keptBy(at("pod-b"), at("pod-c"))))],
      },
      {
        objects: [service({ ...AFFINE, sessionAffinity: "None" }), slice(["pod-b", "pod-c"])],
        connections: [connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c")))],
      },
    ],
  },
];
