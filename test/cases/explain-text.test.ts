// What people read: explanations as text, of a cluster in which much is left out, and of kernels
// that somebody else changed.

import { beforeEach, describe, expect, test } from "vitest";
import { textFromExplanation } from "../../controller/cli/explain-text.ts";
import type { Protocol } from "../../controller/model/types.ts";
import type { KubernetesObject } from "./case.ts";
import { ExplainedCluster } from "./explain.ts";
import { endpoint, GONE, service, slice, TERMINATING, UNREADY, withIngress } from "./objects.ts";
import { BASE_OBJECTS, type ClientName, type PodName } from "./topology.ts";

const WEB = "10.96.0.10:80";
let cluster: ExplainedCluster;

function apply(...objects: KubernetesObject[]): void {
  cluster.apply([...BASE_OBJECTS, ...objects]);
}

/** Without the names of all chains on the way, which change more often than what matters here. */
function text(from: ClientName, to: string, protocol: Protocol = "TCP"): string {
  const whole = textFromExplanation(cluster.explain(from, to, protocol));
  return whole.replaceAll(/(output|prerouting|input): .*/g, "$1: …");
}

function named(pod: PodName, conditions?: object, hints?: object): object {
  return { ...endpoint(pod, conditions, hints), targetRef: { kind: "Pod", name: pod } };
}

beforeEach(() => {
  cluster = new ExplainedCluster();
});

test("served, with every endpoint that is left out and why", () => {
  const zoneA = { forZones: [{ name: "zone-a" }] };
  const zoneB = { forZones: [{ name: "zone-b" }] };
  apply(
    service({ ports: [{ name: "http", port: 80 }] }),
    slice(
      [
        named("pod-a", undefined, zoneA),
        named("pod-b", undefined, zoneA),
        named("pod-c", UNREADY),
        named("pod-d", TERMINATING),
        named("pod-e", undefined, zoneB),
        named("pod-f", GONE),
      ],
      { ports: [{ name: "http", port: 8080 }] },
    ),
    slice([named("pod-d")], { name: "web-2", ports: [{ name: "grpc", port: 9090 }] }),
  );
  expect(text("pod-a", WEB)).toMatchInlineSnapshot(`
    "10.1.1.10 → 10.96.0.10:80/TCP
    => served by one of 2 backends of shop/web, which sees 192.0.2.1 or 10.1.1.10

    client      10.1.1.10: Pod shop/pod-a, a Pod of this node (its address is in 10.1.1.0/24)
    front door  10.96.0.10:80/TCP, ClusterIP of Service shop/web, port http
    kernel      prerouting: …
                input: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 10.96.0.10 . tcp . 80 : goto verdict_keep
                handed to Envoy's listener capture-keep
    decided by  internalTrafficPolicy Cluster: endpoints on every node count
                topology hints for zones: endpoints hinted for this node's zone count
    backends    10.1.1.10:8080   shop/pod-a on node-1   sees 192.0.2.1 (the node's: it would be its own)
                10.1.1.11:8080   shop/pod-b on node-1   sees 10.1.1.10 (the client's own, kept)
    left out    10.1.1.12:8080   shop/pod-c on node-1   not ready
                10.1.1.13:8080   shop/pod-d on node-1   terminating, and others are ready
                10.1.2.10:8080   shop/pod-e on node-2   other zone: hinted for zone-b; others are for zone-a
                10.1.2.11:8080   shop/pod-f on node-2   terminating, and serves no more
                10.1.1.13        shop/pod-d on node-1   port not there: EndpointSlice shop/web-2 has no port http/TCP, but grpc/TCP
    note        connect() succeeds before Envoy reaches the backend; if that refuses, the stream ends
    "
  `);
});

test("dropped: policy Local without an endpoint here, for clients from outside alone", () => {
  const ports = [{ port: 80, nodePort: 30080 }];
  apply(
    service({ type: "NodePort", ports, externalTrafficPolicy: "Local" }),
    slice([named("pod-e")]),
  );
  expect(text("outside", "192.0.2.1:30080")).toMatchInlineSnapshot(`
    "192.0.2.200 → 192.0.2.1:30080/TCP
    => dropped, the client hears nothing: externalTrafficPolicy is Local, and no endpoint of shop/web is on this node, for clients from outside

    client      192.0.2.200: from elsewhere (no Pod of this node by the local detector, and in no EndpointSlice)
    front door  192.0.2.1:30080/TCP, NodePort of Service shop/web
    kernel      prerouting: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 192.0.2.1 . tcp . 30080 : goto verdict_short-circuit
    decided by  externalTrafficPolicy Local: endpoints on this node count, no others
    left out    10.1.2.10:8080   shop/pod-e on node-2   not local, and externalTrafficPolicy is Local
    "
  `);
  expect(text("host", "192.0.2.1:30080")).toMatchInlineSnapshot(`
    "192.0.2.1 → 192.0.2.1:30080/TCP
    => served by 10.1.2.10:8080 of shop/web, which sees 192.0.2.1

    client      192.0.2.1: a process of this node (the address is the node's own)
    front door  192.0.2.1:30080/TCP, NodePort of Service shop/web
    kernel      prerouting: …
                input: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 192.0.2.1 . tcp . 30080 : goto verdict_short-circuit
                handed to Envoy's listener capture-masquerade
    decided by  externalTrafficPolicy Local: it is for clients from outside; for a process of this node, endpoints on every node count
    backends    10.1.2.10:8080   shop/pod-e on node-2   sees 192.0.2.1 (the node's: masqueraded)
    note        connect() succeeds before Envoy reaches the backend; if that refuses, the stream ends
    "
  `);
});

test("a Pod here that the local detector cannot tell from clients from outside", () => {
  cluster = new ExplainedCluster({ kind: "none" });
  const ports = [{ port: 80, nodePort: 30080 }];
  apply(
    service({ type: "NodePort", ports, externalTrafficPolicy: "Local" }),
    slice([named("pod-b"), named("pod-e")]),
  );
  const { from, backends, leftOut, disagreements } = cluster.explain(
    "pod-b",
    "192.0.2.1:30080",
    "TCP",
  );
  expect(from.kind).toBe("undetected-pod");
  expect(backends.map(({ pod }) => pod)).toEqual(["shop/pod-b"]);
  expect(leftOut.map(({ reason }) => reason)).toEqual(["not-local"]);
  expect(disagreements).toEqual([]);
});

test("refused: no usable endpoint; and terminating ones that are used nevertheless", () => {
  apply(service(), slice([named("pod-b", UNREADY)]));
  expect(text("pod-a", WEB)).toMatchInlineSnapshot(`
    "10.1.1.10 → 10.96.0.10:80/TCP
    => refused at once: shop/web has no usable endpoint

    client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
    front door  10.96.0.10:80/TCP, ClusterIP of Service shop/web
    kernel      prerouting: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 10.96.0.10 . tcp . 80 : goto verdict_refuse
    decided by  internalTrafficPolicy Cluster: endpoints on every node count
    left out    10.1.1.11:8080   shop/pod-b on node-1   not ready
    "
  `);
  apply(service(), slice([named("pod-b", TERMINATING)]));
  expect(text("pod-a", WEB)).toMatchInlineSnapshot(`
    "10.1.1.10 → 10.96.0.10:80/TCP
    => served by 10.1.1.11:8080 of shop/web, which sees 10.1.1.10

    client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
    front door  10.96.0.10:80/TCP, ClusterIP of Service shop/web
    kernel      prerouting: …
                input: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 10.96.0.10 . tcp . 80 : goto verdict_keep
                handed to Envoy's listener capture-keep
    decided by  internalTrafficPolicy Cluster: endpoints on every node count
                terminating endpoints used: none is ready, so those that serve until they are gone are used
    backends    10.1.1.11:8080   shop/pod-b on node-1   sees 10.1.1.10 (the client's own, kept)
    note        connect() succeeds before Envoy reaches the backend; if that refuses, the stream ends
    "
  `);
});

test("no front door: what may have been meant", () => {
  const ports = [
    { name: "http", port: 80, nodePort: 30080 },
    { name: "dns", port: 53, protocol: "UDP" },
  ];
  apply(service({ type: "NodePort", ports }), slice([named("pod-b")]));
  expect(text("pod-a", "10.96.0.10:53")).toMatchInlineSnapshot(`
    "10.1.1.10 → 10.96.0.10:53/TCP
    => refused at once: 10.96.0.10 is a cluster IP, and 53/TCP is no port of it

    client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
    front door  none: 10.96.0.10:53/TCP is no front door of this node
                same address and port, other protocol: 10.96.0.10:53/UDP (shop/web)
                same address, other port: 10.96.0.10:80/TCP (shop/web)
                10.96.0.10 is the cluster IP of shop/web, whose ports are 80/TCP, 53/UDP; 53 is none of them
    kernel      prerouting: …
                rule of from_frontend: ip daddr @cluster_ips_v4 goto verdict_refuse
                element of cluster_ips_v4: 10.96.0.10
    "
  `);
  expect(text("pod-a", "192.0.2.2:30080")).toMatchInlineSnapshot(`
    "10.1.1.10 → 192.0.2.2:30080/TCP
    => not a front door of this node: the packet goes on unchanged

    client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
    front door  none: 192.0.2.2:30080/TCP is no front door of this node
                a node port of this number, at this node's own address: 192.0.2.1:30080/TCP (shop/web)
                192.0.2.2 is the node node-2
    kernel      prerouting: …
    "
  `);
  expect(text("pod-a", "10.1.1.11:8080")).toMatchInlineSnapshot(`
    "10.1.1.10 → 10.1.1.11:8080/TCP
    => not a front door of this node: the packet goes on unchanged

    client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
    front door  none: 10.1.1.11:8080/TCP is no front door of this node
                10.1.1.11:8080 is Pod shop/pod-b: dialled directly, through no Service
    kernel      prerouting: …
    "
  `);
});

test("source ranges, affinity, and a client that is not in them", () => {
  const spec = {
    type: "LoadBalancer",
    sessionAffinity: "ClientIP",
    loadBalancerSourceRanges: ["198.51.100.0/24"],
  };
  apply(withIngress(service(spec), { ip: "203.0.113.9" }), slice([named("pod-b")]));
  expect(text("outside", "203.0.113.9:80")).toMatchInlineSnapshot(`
    "192.0.2.200 → 203.0.113.9:80/TCP
    => dropped, the client hears nothing: loadBalancerSourceRanges does not contain 192.0.2.200

    client      192.0.2.200: from elsewhere (no Pod of this node by the local detector, and in no EndpointSlice)
    front door  203.0.113.9:80/TCP, LoadBalancer of Service shop/web
    kernel      prerouting: …
                rule of from_frontend: ct state new ip daddr . meta l4proto . th dport @restricted_v4 ip daddr . meta l4proto . th dport . ip saddr != @allowed_sources_v4 drop
                element of restricted_v4: 203.0.113.9 . tcp . 80
    decided by  externalTrafficPolicy Cluster: endpoints on every node count
                loadBalancerSourceRanges 198.51.100.0/24: this client is in none of them: dropped
                sessionAffinity ClientIP: a client goes on with its last backend until it was away for 10800 s
    "
  `);
});

test("UDP: the listener, and a backend that is a front door itself", () => {
  const udp = [{ name: "", port: 8080, protocol: "UDP" }];
  apply(
    service({ ports: [{ port: 53, protocol: "UDP" }] }),
    slice([named("pod-b"), { addresses: ["10.96.0.11"] }], { ports: udp }),
    service({ clusterIP: "10.96.0.11", ports: [{ port: 8080, protocol: "UDP" }] }, { name: "up" }),
    slice([named("pod-c")], { serviceName: "up", ports: udp }),
  );
  const shown = text("pod-b", "10.96.0.10:53", "UDP");
  expect(shown.replaceAll(/24\d\.\d+\.\d+\.\d+/g, "ADDRESS")).toMatchInlineSnapshot(`
    "10.1.1.11 → 10.96.0.10:53/UDP
    => served by 10.1.1.11:8080 of shop/web, which sees 192.0.2.1

    client      10.1.1.11: Pod shop/pod-b, a Pod of this node (its address is in 10.1.1.0/24)
    front door  10.96.0.10:53/UDP, ClusterIP of Service shop/web
    kernel      prerouting: …
                input: …
                rule of from_frontend: ip daddr . meta l4proto . th dport vmap @frontends_v4
                element of frontends_v4: 10.96.0.10 . udp . 53 : goto verdict_keep
                handed to Envoy's listener udp-keep/10.96.0.10:53/UDP/ADDRESS
    decided by  internalTrafficPolicy Cluster: endpoints on every node count
    backends    10.1.1.11:8080   shop/pod-b on node-1   sees 192.0.2.1 (the node's: it would be its own)
    left out    10.96.0.11:8080   -   a front door itself: Envoy would ask itself
    note        a backend that refuses is not reported: the client waits
    "
  `);
});

describe("a data plane that is not as the controller left it", () => {
  beforeEach(() => apply(service(), slice([named("pod-b")])));

  test("an element is gone", () => {
    cluster.ruleset = cluster.ruleset.replace(/ *10\.96\.0\.10 \. tcp \. 80 : .*\n/, "");
    expect(text("pod-a", WEB)).toMatchInlineSnapshot(`
      "10.1.1.10 → 10.96.0.10:80/TCP
      => refused at once: the kernel has 10.96.0.10 as a cluster IP, but not 80/TCP of it

      !! DATA PLANE AND CONTROLLER DO NOT AGREE:
      !! the kernel lacks 10.96.0.10:80/TCP: the controller knows it as shop/web with verdict keep

      client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
      front door  10.96.0.10:80/TCP, ClusterIP of Service shop/web
      kernel      prerouting: …
                  rule of from_frontend: ip daddr @cluster_ips_v4 goto verdict_refuse
                  element of cluster_ips_v4: 10.96.0.10
      decided by  internalTrafficPolicy Cluster: endpoints on every node count
      "
    `);
  });

  test("an element has another verdict", () => {
    cluster.ruleset = cluster.ruleset.replace("80 : goto verdict_keep", "80 : goto verdict_drop");
    const { outcome, disagreements } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("dropped");
    expect(disagreements).toEqual([
      "the kernel has 10.96.0.10:80/TCP with verdict drop; the controller wants shop/web with " +
        "verdict keep",
    ]);
  });

  test("an element of a Service that is no more", () => {
    const { ruleset } = cluster;
    apply();
    cluster.ruleset = ruleset;
    const { outcome, disagreements, frontDoor } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("ended");
    expect(frontDoor).toBeNull();
    expect(disagreements).toEqual([
      "the kernel has 10.96.0.10:80/TCP with verdict keep; the controller knows no Service of it",
    ]);
  });

  test("the table is gone", () => {
    cluster.ruleset = "";
    expect(text("pod-a", WEB)).toMatchInlineSnapshot(`
      "10.1.1.10 → 10.96.0.10:80/TCP
      => the packet goes on unchanged: the kernel does not hand this front door over

      !! DATA PLANE AND CONTROLLER DO NOT AGREE:
      !! the kernel has no table inet portico: it hands nothing over

      client      10.1.1.10: a Pod of this node (its address is in 10.1.1.0/24)
      front door  10.96.0.10:80/TCP, ClusterIP of Service shop/web
      kernel      no rule of Portico's matches
      decided by  internalTrafficPolicy Cluster: endpoints on every node count
      "
    `);
  });

  test("somebody added a rule that drops, and one that nobody here can read", () => {
    const begin =
      "  chain capture {\n    type filter hook prerouting priority mangle; policy accept;\n";
    const rule = "    ip saddr 10.1.1.10 counter packets 3 bytes 180 drop\n";
    const other = "    ip dscp cs1 accept\n";
    cluster.ruleset = cluster.ruleset.replace(begin, begin + other + rule);
    const { outcome, summary, disagreements } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("dropped");
    expect(summary).toContain("the kernel's rule says so (capture: ip saddr 10.1.1.10 counter");
    expect(disagreements).toEqual([
      "a rule that explain cannot read stands in the way, and is left out here: capture: ip dscp " +
        "cs1 accept",
    ]);
    expect(cluster.explain("pod-c", WEB, "TCP").outcome).toBe("served");
  });

  test("Envoy does not listen", () => {
    cluster.listens = false;
    const { outcome, summary } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("dropped");
    expect(summary).toContain("Envoy does not listen");
  });

  test("Envoy has other backends", () => {
    cluster.backends = [{ address: "10.1.1.99", port: 8080, local: true }];
    const { outcome, disagreements, backends } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("served");
    expect(backends.map(({ place }) => place)).toEqual(["10.1.1.99:8080"]);
    expect(disagreements).toEqual([
      "Envoy lacks backends that it should have: 10.1.1.11:8080",
      "Envoy has backends that it should not: 10.1.1.99:8080",
    ]);
  });
});

test("the same state gives the same text", () => {
  apply(service(), slice([named("pod-b"), named("pod-c", UNREADY), named("pod-e")]));
  const other = new ExplainedCluster();
  const turned = [named("pod-e"), named("pod-c", UNREADY), named("pod-b")];
  other.apply([slice(turned), service(), ...BASE_OBJECTS.toReversed()]);
  const again = textFromExplanation(other.explain("pod-a", WEB, "TCP"));
  expect(textFromExplanation(cluster.explain("pod-a", WEB, "TCP"))).toBe(again);
});
