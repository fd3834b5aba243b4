// Objects at the edge of what Kubernetes takes, one each: those that the API server accepts, those
// that it refuses and we do too, and those that it refuses and we serve (a proxy has no use for the
// field, or nobody could see a difference). object-verdicts.test.ts asks a real one.

const service = (spec: string, metadata = "name: web") =>
  `{apiVersion: v1, kind: Service, metadata: {${metadata}}, spec: {${spec}}}`;

const slice = (rest: string, addressType = "IPv4") =>
  `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: ${addressType},
    metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, ${rest}}`;

const node = (rest: string) => `{apiVersion: v1, kind: Node, metadata: {name: node-1}, ${rest}}`;

const serviceCIDR = (cidr: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: a},
    spec: {cidrs: [${cidr}]}}`;

const addressed = (addresses: string) => `endpoints: [{addresses: [${addresses}]}], ports: []`;

export const ACCEPTED: readonly string[] = [
  service("ports: [{port: 80}]"),
  service("ports: [{port: 80, name: null, protocol: null, nodePort: null, targetPort: null}]"),
  service("ports: [{port: 80, protocol: SCTP}]"),
  service("ports: [{port: 80, targetPort: 0}]"),
  service("ports: [{port: 80, targetPort: http-web-svc-1}]"),
  service("ports: [{port: 80, appProtocol: kubernetes.io/h2c}]"),
  service("ports: [{port: 80, unknown: 1}], alsoUnknown: {a: b}"),
  service("clusterIP: None, ports: null"),
  service('clusterIP: None, clusterIPs: ["None"], ports: [{port: 80}]'),
  service('clusterIP: "", ports: [{port: 80}], selector: {}'),
  service("clusterIP: null, clusterIPs: null, ipFamilies: null, ports: [{port: 80}]"),
  service("type: null, sessionAffinity: null, ports: [{port: 80}], selector: null"),
  service("type: NodePort, ports: [{port: 80, nodePort: 0}]"),
  service("type: NodePort, ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]"),
  service('type: LoadBalancer, loadBalancerIP: "", ports: [{port: 80}]'),
  service("type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]"),
  service('type: LoadBalancer, loadBalancerSourceRanges: [" 10.0.0.0/8 "], ports: [{port: 80}]'),
  service("type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]"),
  service("type: ExternalName, externalName: db.example.com"),
  service("type: ExternalName, externalName: db.example.com., ports: [{port: 5432}]"),
  service("internalTrafficPolicy: null, externalTrafficPolicy: null, ports: [{port: 80}]"),
  service("sessionAffinity: None, sessionAffinityConfig: null, ports: [{port: 80}]"),
  service("sessionAffinity: ClientIP, ports: [{port: 80}]"),
  service(
    "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}, " +
      "ports: [{port: 80}]",
  ),
  service("ports: [{port: 80}], externalIPs: []"),
  service("ports: [{port: 80}], externalIPs: [203.0.113.9]"),
  service("ports: [{port: 80}], trafficDistribution: PreferClose"),
  service("ports: [{port: 80}], publishNotReadyAddresses: null"),
  service("ports: [{port: 80}]", "name: web, annotations: null, labels: {a: ''}"),
  service("ports: [{port: 80}]", 'name: "a8080"'),
  slice("endpoints: [], ports: []"),
  slice("endpoints: null, ports: null"),
  slice("endpoints: [{addresses: [10.1.1.1]}]"),
  slice(addressed("10.1.1.1, 10.1.1.2")),
  slice(
    'endpoints: [{addresses: [10.1.1.1], conditions: null, nodeName: null}], ports: [{name: ""}]',
  ),
  slice("endpoints: [], ports: [{}]"),
  slice("endpoints: [], ports: [{name: null, port: null, protocol: null}]"),
  slice("endpoints: [], ports: [{port: 0}]"),
  slice("endpoints: [], ports: [{port: -1}]"),
  slice("endpoints: [], ports: [{port: 70000}]"),
  slice("endpoints: [], ports: [{port: 80, protocol: SCTP}]"),
  slice("endpoints: [{addresses: [a.example.com]}], ports: [{port: 80}]", "FQDN"),
  slice("endpoints: [{addresses: [fd00::1]}], ports: [{port: 80}]", "IPv6"),
  node("status: {addresses: [{type: InternalIP, address: node-1.example}]}"),
  node('status: {addresses: [{type: InternalIP, address: ""}]}'),
  node("status: {addresses: [{type: Other, address: anything}]}"),
  node("status: {addresses: null}, spec: {}"),
  node("spec: {podCIDR: 10.1.1.0/24, podCIDRs: [10.1.1.0/24]}"),
  serviceCIDR("10.9.0.0/16"),
];

export const REFUSED: readonly string[] = [
  service("ports: [{port: 0}]"),
  service("ports: [{port: 65536}]"),
  service('ports: [{port: "80"}]'),
  service("ports: [{}]"),
  service("ports: [{port: 80, protocol: HTTP}]"),
  service('ports: [{port: 80, targetPort: "8080"}]'),
  service("ports: [{port: 80, targetPort: HTTP}]"),
  service("ports: [{port: 80}, {port: 81}]"),
  service("ports: [{name: a, port: 80}, {name: a, port: 81}]"),
  service("type: Internal, ports: [{port: 80}]"),
  service("clusterIP: nonsense, ports: [{port: 80}]"),
  service("selector: {version: 2}, ports: [{port: 80}]"),
  service("sessionAffinity: Cookie, ports: [{port: 80}]"),
  service(
    "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, " +
      "ports: [{port: 80}]",
  ),
  service("internalTrafficPolicy: Near, ports: [{port: 80}]"),
  service("externalIPs: [db.example.com], ports: [{port: 80}]"),
  service("type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/40], ports: [{port: 80}]"),
  service("ports: [{port: 80}]", "labels: {a: b}"),
  service("ports: [{port: 80}]", "name: 8080"),
  slice('endpoints: [], ports: [{port: "80"}]'),
  slice("endpoints: [], ports: [{port: 80.5}]"),
  slice("endpoints: [], ports: [{port: 80, protocol: HTTP}]"),
  slice(addressed("")),
  slice(addressed("a.example.com")),
  slice(addressed("fd00::1")),
  slice(addressed("10.1.1.1"), "IPX"),
  slice(addressed("10.1.1.1"), '""'),
  node("spec: {podCIDR: nonsense}"),
  node("status: {addresses: [{type: InternalIP, address: 7}]}"),
  serviceCIDR("10.9"),
];

export const REFUSED_BUT_SERVED: readonly string[] = [
  service("ports: []"),
  service("ports: [{port: 80, nodePort: 31000}]"),
  service("externalTrafficPolicy: Local, ports: [{port: 80}]"),
  service("externalIPs: [127.0.0.1], ports: [{port: 80}]"),
  service("loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]"),
  service("ports: [{port: 80}]", "name: Web_1"),
  slice(addressed("127.0.0.1")),
  slice("endpoints: [{addresses: [10.1.1.1], nodeName: A_B}]"),
  slice('endpoints: [], ports: [{port: 80, protocol: ""}]'),
];
