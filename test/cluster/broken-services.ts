// Services that do not answer because of their ports, EndpointSlices, addresses or policies, and
// what `portico doctor` is to say; and Services that are well.

import {
  ASKED,
  type BrokenService,
  BY_CONTROLLER,
  type Json,
  pod,
  service,
  slice,
  UNREADY,
} from "./doctor-sketches.ts";

export const BROKEN_SERVICES: readonly BrokenService[] = [
  {
    name: "target-port-misspelt",
    objects: [service({ ports: [{ port: 80, targetPort: "htpp" }] }), pod()],
    level: "error",
    code: "target-port-unknown",
    says: /targetPort "htpp" of its port 80\/TCP is the name of no port .* did you mean "http"\?/,
  },
  {
    name: "target-port-of-another-protocol",
    objects: [
      service({ ports: [{ name: "dns", port: 53, protocol: "UDP", targetPort: "http" }] }),
      pod(),
    ],
    level: "error",
    code: "target-port-protocol",
    says: /targetPort "http" of its port dns \(53\/UDP\) is a port of protocol TCP .*, not UDP/,
  },
  {
    name: "target-port-undeclared",
    objects: [service({ ports: [{ port: 80, targetPort: 80 }] }), pod()],
    level: "warning",
    code: "target-port-undeclared",
    says: /targetPort 80 of its port 80\/TCP is declared by no container; .* http \(8080\/TCP\)/,
  },
  {
    name: "slice-without-its-label",
    objects: [service({ selector: undefined }), slice({ labels: {} })],
    level: "error",
    code: "no-endpoints",
    says: /no EndpointSlice labelled .*=web has an endpoint; .* web-by-hand lacks that label/,
  },
  {
    name: "slice-port-of-another-name",
    objects: [
      service({ selector: undefined }),
      slice({ ports: [{ name: "web", port: 8080, protocol: "TCP" }] }),
    ],
    level: "error",
    code: "slice-port-unknown",
    says: /port http \(80\/TCP\): .* the same name, "http", and protocol; they have "web" \(TCP\)/,
  },
  {
    name: "slice-not-ready",
    objects: [
      service({ selector: undefined }),
      slice({ endpoint: { conditions: { ready: false, serving: false } } }),
    ],
    level: "error",
    code: "no-ready-endpoints",
    says: /its only endpoint is not ready/,
  },
  {
    name: "slice-beside-the-selector",
    objects: [service(), pod(), slice()],
    level: "warning",
    code: "foreign-slice",
    says: /EndpointSlice web-by-hand \(managed by nobody\) adds 10\.9\.9\.9 to the endpoints/,
    only: "api",
  },
  {
    name: "sctp",
    objects: [
      service({ ports: [{ port: 3868, protocol: "SCTP" }] }),
      pod({ container: { ports: [{ containerPort: 3868, protocol: "SCTP" }] } }),
    ],
    level: "error",
    code: "protocol-not-carried",
    says: /its port 3868\/SCTP is not served/,
  },
  {
    name: "external-name-address",
    objects: [service({ type: "ExternalName", externalName: "192.0.2.7", selector: undefined })],
    level: "error",
    code: "external-name-address",
    says: /externalName 192\.0\.2\.7 is an IP address/,
  },
  {
    name: "load-balancer-pending",
    objects: [service({ type: "LoadBalancer" }), pod()],
    level: "warning",
    code: "load-balancer-pending",
    says: /LoadBalancer without an address/,
  },
  {
    name: "source-ranges",
    objects: [
      service({ type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"] }, ASKED, {
        loadBalancer: { ingress: [{ ip: "198.51.100.20" }] },
      }),
      pod(),
    ],
    level: "note",
    code: "source-ranges",
    says: /allows only clients from 203\.0\.113\.0\/24/,
  },
  {
    name: "external-ip-of-another",
    objects: [
      service({ externalIPs: ["198.51.100.7"] }),
      service({ externalIPs: ["198.51.100.7"] }, "aaa"),
      pod(),
    ],
    level: "error",
    code: "address-conflict",
    says: /198\.51\.100\.7:80\/TCP is served for Service doctor-\S+\/aaa \(ExternalIP\)/,
  },
  {
    name: "no-local-endpoint",
    objects: [service({ internalTrafficPolicy: "Local" }), pod({ spec: { nodeName: "node-1" } })],
    level: "warning",
    code: "no-local-endpoint",
    says: /with internalTrafficPolicy Local it has no ready endpoint on 2 of 3 nodes \(node-2, /,
  },
  {
    name: "endpoint-of-no-node",
    objects: [
      service({ type: "NodePort", selector: undefined, externalTrafficPolicy: "Local" }),
      slice(),
    ],
    level: "error",
    code: "endpoint-without-node",
    says: /with externalTrafficPolicy Local an endpoint must name its node/,
  },
  {
    name: "family-without-endpoints",
    objects: [service({ clusterIPs: ["fd00:10:96::7"], clusterIP: "fd00:10:96::7" }), pod()],
    level: "error",
    code: "family-without-endpoints",
    says: /its Pods have no IPv6 address, and its cluster IP fd00:10:96::7 is IPv6/,
    only: "manifests",
  },
  {
    name: "cluster-ip-outside",
    objects: [service({ clusterIPs: ["10.97.0.7"], clusterIP: "10.97.0.7" }), pod()],
    level: "warning",
    code: "cluster-ip-outside",
    says: /10\.97\.0\.7 is in no ServiceCIDR \(10\.96\.0\.0\/16/,
    only: "manifests",
  },
  {
    name: "slices-stale",
    objects: [
      service(),
      pod({ name: "late" }),
      slice({ labels: { "kubernetes.io/service-name": ASKED, ...BY_CONTROLLER } }),
    ],
    level: "error",
    code: "stale-slices",
    says: /no EndpointSlice lists late, although its selector matches/,
    only: "manifests",
  },
];

/** Nothing is wrong with these: neither errors nor warnings. */
export const HEALTHY: readonly { name: string; objects: Json[] }[] = [
  { name: "healthy", objects: [service(), pod(), pod()] },
  {
    name: "healthy-named-port",
    objects: [service({ ports: [{ port: 80, targetPort: "http" }] }), pod()],
  },
  {
    name: "healthy-undeclared",
    objects: [
      service({ ports: [{ port: 80, targetPort: 9000 }] }),
      pod({ container: { ports: [] } }),
    ],
  },
  { name: "healthy-headless", objects: [service({ clusterIP: "None" }), pod()] },
  { name: "healthy-node-port", objects: [service({ type: "NodePort" }), pod()] },
  { name: "healthy-by-hand", objects: [service({ selector: undefined }), slice()] },
  {
    name: "healthy-external-name",
    objects: [service({ type: "ExternalName", externalName: "shop.example", selector: undefined })],
  },
  {
    name: "healthy-load-balancer",
    objects: [
      service({ type: "LoadBalancer", externalTrafficPolicy: "Local" }, ASKED, {
        loadBalancer: { ingress: [{ ip: "198.51.100.30" }] },
      }),
      pod(),
    ],
  },
  {
    name: "healthy-publishing-early",
    objects: [
      service({ publishNotReadyAddresses: true }),
      pod({ status: { conditions: UNREADY } }),
    ],
  },
];
