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

/** Texts are in golden/explain: as wide as people's terminals. */
function golden(name: string, shown: string): Promise<void> {
  return expect(shown).toMatchFileSnapshot(`golden/explain/${name}.txt`);
}

function named(pod: PodName, conditions?: object, hints?: object): object {
  return { ...endpoint(pod, conditions, hints), targetRef: { kind: "Pod", name: pod } };
}

beforeEach(() => {
  cluster = new ExplainedCluster();
});

test("served, with every endpoint that is left out and why", async () => {
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
  await golden("served", text("pod-a", WEB));
});

test("dropped: policy Local without an endpoint here, for clients from outside alone", async () => {
  const ports = [{ port: 80, nodePort: 30080 }];
  apply(
    service({ type: "NodePort", ports, externalTrafficPolicy: "Local" }),
    slice([named("pod-e")]),
  );
  await golden("dropped-outside", text("outside", "192.0.2.1:30080"));
  await golden("served-host", text("host", "192.0.2.1:30080"));
});

test("a Pod here that the local detector cannot tell from clients from outside", () => {
  cluster = new ExplainedCluster({ localDetector: { kind: "none" } });
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

test("refused: no usable endpoint; and terminating ones that are used nevertheless", async () => {
  apply(service(), slice([named("pod-b", UNREADY)]));
  await golden("refused", text("pod-a", WEB));
  apply(service(), slice([named("pod-b", TERMINATING)]));
  await golden("terminating", text("pod-a", WEB));
});

test("no frontend: what may have been meant", async () => {
  const ports = [
    { name: "http", port: 80, nodePort: 30080 },
    { name: "dns", port: 53, protocol: "UDP" },
  ];
  apply(service({ type: "NodePort", ports }), slice([named("pod-b")]));
  await golden("other-protocol", text("pod-a", "10.96.0.10:53"));
  await golden("other-node", text("pod-a", "192.0.2.2:30080"));
  await golden("pod", text("pod-a", "10.1.1.11:8080"));
});

test("kube-proxy's rules beside ours: host processes are theirs, and nobody else", () => {
  cluster.hasKubeProxy = true;
  apply(service(), slice([named("pod-b")]));
  expect(cluster.explain("host", WEB, "TCP").notes[0]).toContain("kube-proxy's rules are on this");
  expect(cluster.explain("pod-a", WEB, "TCP").notes.join()).not.toContain("kube-proxy");
});

test("what another program has the kernel not track is left alone, and that is why", () => {
  apply(service(), slice([named("pod-b")]));
  cluster.untracked.add("10.96.0.10:80/TCP");
  for (const from of ["pod-a", "host"] as const) {
    const { outcome, summary, disagreements } = cluster.explain(from, WEB, "TCP");
    expect([outcome, disagreements]).toEqual(["untouched", []]);
    expect(summary).toContain("NodeLocal DNSCache");
  }
});

test("source ranges, affinity, and a client that is not in them", async () => {
  const spec = {
    type: "LoadBalancer",
    sessionAffinity: "ClientIP",
    loadBalancerSourceRanges: ["198.51.100.0/24"],
  };
  apply(withIngress(service(spec), { ip: "203.0.113.9" }), slice([named("pod-b")]));
  await golden("source-ranges", text("outside", "203.0.113.9:80"));
});

test("session affinity: the backend that is remembered for this client", async () => {
  apply(service({ sessionAffinity: "ClientIP" }), slice([named("pod-b"), named("pod-c")]));
  cluster.remembered = { address: "10.1.1.12", port: 8080, seconds: 10_700 };
  await golden("remembered", text("pod-a", WEB));
});

test("ejection: the backends that fail, and for whom", async () => {
  const pods = (["pod-b", "pod-c", "pod-d", "pod-e", "pod-f"] as const).map((pod) => named(pod));
  apply(service({}), slice(pods));
  const failing = {
    secondsSince: 3,
    strikes: 2,
    failures: 2,
    isProbed: false,
    servesOthers: false,
  };
  cluster.ejections = (
    [
      ["10.1.1.12", undefined, "refused", 2.5],
      ["10.1.1.13", "10.1.1.10", "timed-out", 1],
      ["10.1.2.10", "10.1.1.99", "timed-out", 1],
      ["10.1.2.11", undefined, "unreachable", 0],
    ] as const
  ).map(([address, client, reason, secondsLeft]) => {
    return { ...failing, backend: { address, port: 8080 }, client, reason, secondsLeft };
  });
  await golden("ejected", text("pod-a", WEB));
});

test("limits: how much of them is used, and what they refused", async () => {
  const annotations = {
    "portico.dev/max-connections": "10",
    "portico.dev/max-new-connections-per-second": "5",
  };
  apply(service({}, { annotations }), slice([named("pod-b")]));
  cluster.limits = { open: 9, refused: 3, refusedNew: 0 };
  await golden("limits", text("pod-a", WEB));
});

test("UDP: the listener, and a backend that is a frontend itself", async () => {
  const udp = [{ name: "", port: 8080, protocol: "UDP" }];
  apply(
    service({ ports: [{ port: 53, protocol: "UDP" }] }),
    slice([named("pod-b"), { addresses: ["10.96.0.11"] }], { ports: udp }),
    service({ clusterIP: "10.96.0.11", ports: [{ port: 8080, protocol: "UDP" }] }, { name: "up" }),
    slice([named("pod-c")], { serviceName: "up", ports: udp }),
  );
  const shown = text("pod-b", "10.96.0.10:53", "UDP");
  await golden("udp", shown.replaceAll(/24\d\.\d+\.\d+\.\d+/g, "ADDRESS"));
});

describe("a data plane that is not as the controller left it", () => {
  beforeEach(() => apply(service(), slice([named("pod-b")])));

  test("an element is gone", async () => {
    cluster.ruleset = cluster.ruleset.replace(/ *10\.96\.0\.10 \. tcp \. 80 : .*\n/, "");
    await golden("element-gone", text("pod-a", WEB));
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
      "the kernel has 10.96.0.10:80/TCP with verdict keep; the controller has no Service for it",
    ]);
  });

  test("the table is gone", async () => {
    cluster.ruleset = "";
    await golden("table-gone", text("pod-a", WEB));
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
      "explain cannot read this rule on the path, and ignores it: capture: ip dscp " + "cs1 accept",
    ]);
    expect(cluster.explain("pod-c", WEB, "TCP").outcome).toBe("served");
  });

  test("Envoy does not listen", () => {
    cluster.listens = false;
    const { outcome, summary } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("dropped");
    expect(summary).toContain("Envoy, which does not listen");
  });

  test("Envoy has other backends", () => {
    cluster.backends = [{ address: "10.1.1.99", port: 8080, local: true }];
    const { outcome, disagreements, backends } = cluster.explain("pod-a", WEB, "TCP");
    expect(outcome).toBe("served");
    expect(backends.map(({ place }) => place)).toEqual(["10.1.1.99:8080"]);
    expect(disagreements).toEqual([
      "Envoy lacks backends that it should have: 10.1.1.11:8080",
      "Envoy has backends that it should not have: 10.1.1.99:8080",
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
