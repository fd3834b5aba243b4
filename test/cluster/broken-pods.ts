// Services that nobody answers because of their Pods: none is selected, or none is ready; and what
// `portico doctor` is to say.

import {
  type BrokenService,
  containerStatus,
  LOST_NODE,
  pod,
  service,
  UNADDRESSED,
  UNREADY,
  waiting,
} from "./doctor-sketches.ts";

/** How to add one: the objects, and what is to be said. */
export const BROKEN_PODS: readonly BrokenService[] = [
  {
    name: "label-misspelt",
    objects: [
      service({ selector: { app: "orders-api" } }),
      pod({ name: "orders-1", labels: { app: "order-api" } }),
    ],
    level: "error",
    code: "selector-matches-nothing",
    says: /selector app=orders-api .*1 Pod \(orders-1\) has app=order-api, not app=orders-api/,
  },
  {
    name: "label-of-another-key",
    objects: [service({ selector: { name: "web" } }), pod(), pod()],
    level: "error",
    code: "selector-matches-nothing",
    says: /2 Pods \(.*\) have app=web, not name=web/,
  },
  {
    name: "label-of-another-version",
    objects: [
      service({ selector: { app: "web", version: "v2" } }),
      pod({ labels: { app: "web", version: "v1", "pod-template-hash": "5d9c" } }),
    ],
    level: "error",
    code: "selector-matches-nothing",
    says: /has version=v1, not version=v2$/,
  },
  {
    name: "pods-in-another-namespace",
    objects: [
      service({ selector: { app: "far" } }),
      pod({ name: "far", labels: { app: "far" }, namespace: "other" }),
    ],
    level: "error",
    code: "selector-matches-nothing",
    says: /does match 1 Pod \(far\) in namespace doctor-other, but a Service selects only Pods of/,
  },
  {
    name: "scaled-to-nothing",
    objects: [service({ selector: { app: "idle" } })],
    level: "error",
    code: "selector-matches-nothing",
    says: /matches no Pod; namespace doctor-\S+ has no Pods: is the Deployment scaled to 0/,
  },
  {
    name: "selector-forgotten",
    objects: [service({ selector: undefined }), pod({ name: "web-a" })],
    level: "error",
    code: "no-endpoints",
    says: /no selector, .* was the selector app=web forgotten\? Pod web-a has it/,
  },
  {
    name: "pods-unscheduled",
    objects: [
      service(),
      pod({
        spec: { nodeName: undefined },
        status: {
          phase: "Pending",
          ...UNADDRESSED,
          conditions: [
            {
              type: "PodScheduled",
              status: "False",
              reason: "Unschedulable",
              message: "0/3 nodes are available: 3 Insufficient memory.",
            },
          ],
        },
      }),
    ],
    level: "error",
    code: "pod-unscheduled",
    says: /its only Pod \(web-\d+\) is not ready: not scheduled yet: .*Insufficient memory/,
  },
  {
    name: "image-unknown",
    objects: [
      service(),
      pod({ status: waiting("ImagePullBackOff", 'Back-off pulling image "shop/wbe:1"') }),
    ],
    level: "error",
    code: "pod-image",
    says: /container main waits: ImagePullBackOff: Back-off pulling image "shop\/wbe:1"/,
  },
  {
    name: "crash-loop",
    objects: [
      service(),
      pod({
        status: waiting("CrashLoopBackOff", "back-off 5m0s restarting", {
          restartCount: 9,
          lastState: { terminated: { reason: "OOMKilled", exitCode: 137 } },
        }),
      }),
    ],
    level: "error",
    code: "pod-crash-loop",
    says: /container main exits repeatedly: OOMKilled, exit code 137/,
  },
  {
    name: "secret-missing",
    objects: [
      service(),
      pod({ status: waiting("CreateContainerConfigError", 'secret "db" not found') }),
    ],
    level: "error",
    code: "pod-waiting",
    says: /CreateContainerConfigError: secret "db" not found/,
  },
  {
    name: "init-fails",
    objects: [
      service(),
      pod({
        spec: { initContainers: [{ name: "migrate", image: "shop/migrate" }] },
        status: {
          phase: "Pending",
          conditions: UNREADY,
          initContainerStatuses: [
            containerStatus({
              name: "migrate",
              state: { waiting: { reason: "CrashLoopBackOff" } },
              lastState: { terminated: { reason: "Error", exitCode: 1 } },
            }),
          ],
        },
      }),
    ],
    level: "error",
    code: "pod-init",
    says: /init container migrate exits: Error, exit code 1/,
  },
  {
    name: "probe-on-the-wrong-port",
    objects: [
      service(),
      pod({
        container: { readinessProbe: { httpGet: { path: "/healthz", port: 9999 } } },
        status: {
          conditions: UNREADY,
          containerStatuses: [containerStatus({ started: true, state: { running: {} } })],
        },
      }),
    ],
    level: "error",
    code: "readiness-probe",
    says: /readiness probe of container main fails: GET :9999\/healthz \(.* declares 8080\)/,
  },
  {
    name: "one-of-two-unready",
    objects: [
      service(),
      pod(),
      pod({
        name: "slow",
        container: { readinessProbe: { tcpSocket: { port: 8080 } } },
        status: { conditions: UNREADY },
      }),
    ],
    level: "warning",
    code: "readiness-probe",
    says: /^1 of its 2 Pods \(slow\) is not ready: .* connect to :8080$/,
  },
  {
    name: "readiness-gate",
    objects: [
      service(),
      pod({
        spec: { readinessGates: [{ conditionType: "example.com/attached" }] },
        status: { conditions: UNREADY },
      }),
    ],
    level: "error",
    code: "readiness-gate",
    says: /readiness gate example\.com\/attached is not True/,
  },
  {
    name: "node-lost",
    objects: [service(), pod({ spec: { nodeName: LOST_NODE }, status: { conditions: UNREADY } })],
    level: "error",
    code: "node-not-ready",
    says: /its node node-lost is not Ready/,
  },
  {
    name: "pods-finished",
    objects: [service(), pod({ name: "old", status: { phase: "Failed", reason: "Evicted" } })],
    level: "error",
    code: "selector-matches-finished-pods",
    says: /only Pods that have finished .*: old$/,
  },
];
