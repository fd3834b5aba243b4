import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ManifestFile, manifestFileFromText } from "./manifests-file.ts";
import { clusterObjectsFrom } from "./manifests-objects.ts";

function places(file: ManifestFile): string[] | undefined {
  return file.objects?.map(({ object, place }) => `${object} at ${place}`);
}

function messages({ problems }: Pick<ManifestFile, "problems">): string[] {
  return problems.map(({ object, message }) => `${object}: ${message}`);
}

const WEB = `apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.0.1
  ports: [{port: 80}]
`;

describe("a right file", () => {
  test("many documents, comments, empty ones, and Lists, each object with its line", () => {
    const text = `# first
---
${WEB}---
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Node
    metadata: {name: node-1}
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-1, namespace: shop}
    addressType: IPv4
---
{"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
 "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16"]}}
`;
    const file = manifestFileFromText("a.yaml", text);
    expect(messages(file)).toEqual([]);
    expect(places(file)).toEqual([
      "Service default/web at a.yaml:3",
      "Node node-1 at a.yaml:14",
      "EndpointSlice shop/web-1 at a.yaml:17",
      "ServiceCIDR kubernetes at a.yaml:22",
    ]);
  });

  test("an empty file has no objects and nothing is wrong with it", () => {
    for (const text of ["", "# nothing\n", "---\n---\n"]) {
      expect(manifestFileFromText("a.yaml", text)).toMatchObject({ objects: [], problems: [] });
    }
  });

  test("kinds of others are ignored, also when they are named like ours", () => {
    const text = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web}}
---
{apiVersion: v1, kind: constructor}
`;
    const file = manifestFileFromText("a.yaml", text);
    expect([file.objects, file.problems]).toEqual([[], []]);
    expect([...file.ignoredKinds].sort()).toEqual(["Deployment", "Service", "constructor"]);
  });
});

describe("a right file, as tools write them", () => {
  test("with Windows line ends, a byte order mark, anchors, merge keys and document ends", () => {
    const text = `--- # first
x-common: &common {clusterIP: 10.96.0.1}
...
---
apiVersion: v1
kind: Service
metadata: &meta {name: web, labels: &labels {app: web}}
spec:
  <<: {type: ClusterIP, clusterIP: 10.96.0.2}
  selector: *labels
  ports: [{port: 80}]
--- # nothing here
`;
    const file = manifestFileFromText("a.yaml", `\uFEFF${text.replace(/^x-.*\n/m, "")}`);
    expect(messages(file)).toEqual([]);
    const windows = manifestFileFromText(
      "a.yaml",
      text.replace(/^x-.*\n/m, "").replaceAll("\n", "\r\n"),
    );
    for (const { objects } of [file, windows]) {
      const service = { clusterIPs: ["10.96.0.2"], selector: { app: "web" } };
      expect(objects).toMatchObject([{ value: { service } }]);
    }
  });

  test("Lists of one kind whose items have none, Lists in Lists, empty ones", () => {
    const text = `apiVersion: v1
kind: ServiceList
metadata: {resourceVersion: "1"}
items:
- metadata: {name: web, namespace: shop}
  spec: {clusterIP: None, ports: null}
---
apiVersion: v1
kind: List
items:
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSliceList
  items:
  - metadata: {name: web-1}
    addressType: IPv4
- {apiVersion: v1, kind: List, items: []}
---
{apiVersion: v1, kind: NodeList, items: null}
`;
    const file = manifestFileFromText("a.yaml", text);
    expect(messages(file)).toEqual([]);
    expect(places(file)).toEqual([
      "Service shop/web at a.yaml:5",
      "EndpointSlice default/web-1 at a.yaml:14",
    ]);
    expect([...file.ignoredKinds]).toEqual([]);
  });

  test("what is valid and of no use to a proxy is left out, and the file is not held back", () => {
    const text = `${WEB}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", protocol: TCP}, {name: b, port: 8080}]
endpoints: null
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: node-1}]}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x}, addressType: FQDN,
 endpoints: [{addresses: [example.com]}]}
`;
    const file = manifestFileFromText("a.yaml", text);
    expect(places(file)).toEqual([
      "Service default/web at a.yaml:1",
      "EndpointSlice default/web-1 at a.yaml:8",
      "Node node-1 at a.yaml:15",
    ]);
    expect(messages(file)).toEqual([
      "EndpointSlice default/web-1: a.yaml:8: ports[0].port is not given: this port is ignored; " +
        "set a number from 1 to 65535",
      'Node node-1: a.yaml:15: status.addresses: the InternalIP "node-1" is not an IP address ' +
        "and is ignored; the kubelet sets it",
    ]);
  });
});

describe("a wrong file gives no objects, and says what is wrong where", () => {
  test.each<[string, string, string[]]>([
    [
      "broken YAML",
      `${WEB}---\nkind: [Service\n`,
      ["File a.yaml: a.yaml:9: Flow sequence in block collection must be sufficiently indented"],
    ],
    [
      "a key twice",
      "kind: Service\nkind: Pod\n",
      ["File a.yaml: a.yaml:2: Map keys must be unique"],
    ],
    [
      "a bad value",
      WEB.replace("80", '"80"'),
      ['Service default/web: a.yaml:1: spec.ports[0].port is "80"; it must be a number from 1 to'],
    ],
    [
      "a number that falls out of a selector",
      WEB.replace("spec:", "spec:\n  selector: {app: web, version: 2}"),
      ["Service default/web: a.yaml:1: spec.selector.version is 2; it must be a text"],
    ],
    [
      "a target port in quotes",
      WEB.replace("{port: 80}", '{port: 80, targetPort: "8080"}'),
      ['spec.ports[0].targetPort is "8080"; write a number without quotes, or the name of a'],
    ],
    [
      "several ports without names",
      WEB.replace("{port: 80}", "{port: 80}, {port: 81}"),
      ["spec.ports: with several ports, each must have a name"],
    ],
    [
      "a name twice",
      WEB.replace("{port: 80}", "{name: a, port: 80}, {name: a, port: 81}"),
      ['spec.ports: two ports have the name "a"'],
    ],
    [
      "no kind",
      `${WEB}---\nmetadata:\n  name: web\n`,
      ['File a.yaml: a.yaml:8: apiVersion or kind is missing in the object named "web"'],
    ],
    ["not an object", "just text\n", ["File a.yaml: a.yaml:1: apiVersion or kind is missing"]],
    ["an alias of nothing", "a: *b\n", ["File a.yaml: a.yaml:1: Unresolved alias"]],
  ])("%s", (_, text, expected) => {
    const file = manifestFileFromText("a.yaml", text);
    expect(file.objects).toBeUndefined();
    for (const [index, message] of expected.entries()) {
      expect(messages(file)[index]).toContain(message);
    }
  });

  test("aliases of aliases do not fill the memory", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 12; level++) {
      const aliases = Array(10)
        .fill(`*a${level - 1}`)
        .join(", ");
      lines.push(`a${level}: &a${level} [${aliases}]`);
    }
    const file = manifestFileFromText("a.yaml", lines.join("\n"));
    expect(messages(file)[0]).toContain("a.yaml:1: Excessive alias count");
  });

  test("no text makes it throw", () => {
    const pieces = fc.constantFrom(...WEB.split(/\b/), "---\n", "&a", "*a", "- ", "kind: List\n");
    const mixed = fc.array(fc.oneof(pieces, fc.string())).map((list) => list.join(""));
    fc.assert(
      fc.property(mixed, (text) => {
        const file = manifestFileFromText("a.yaml", text);
        const isHeldBack = file.problems.some(({ isHarmless }) => !isHarmless);
        expect(file.objects === undefined).toBe(isHeldBack);
      }),
    );
  });
});

describe("clusterObjectsFrom", () => {
  const cluster = (...texts: string[]) =>
    clusterObjectsFrom(
      texts.flatMap((text, index) => manifestFileFromText(`${index}.yaml`, text).objects ?? []),
    );

  test("an object that is defined twice counts once", () => {
    const { Service, problems } = cluster(WEB, `# moved\n${WEB.replace("0.1", "0.2")}`);
    expect(Service.map(({ clusterIPs }) => clusterIPs)).toEqual([["10.96.0.1"]]);
    expect(messages({ problems })).toEqual([
      "Service default/web: 1.yaml:2: already defined at 0.yaml:1, which is the one used",
    ]);
  });

  test("slices come from Pods only where none are given", () => {
    const pod = `
---
{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: web}},
 spec: {nodeName: node-1}, status: {podIP: 10.1.1.10}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {topology.kubernetes.io/zone: a}}}
`;
    const selecting = WEB.replace("spec:", "spec:\n  selector: {app: web}");
    expect(cluster(selecting + pod).EndpointSlice).toMatchObject([
      { serviceName: "web", endpoints: [{ address: "10.1.1.10", zone: "a" }] },
    ]);
    const slice = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: x, labels: {kubernetes.io/service-name: web}}}`;
    expect(cluster(selecting + pod, slice).EndpointSlice).toMatchObject([{ name: "x" }]);
    expect(cluster(WEB + pod).EndpointSlice).toEqual([]);
  });

  test("nobody allocates addresses and node ports: say so", () => {
    const without = WEB.replace("  clusterIP: 10.96.0.1\n", "");
    expect(messages(cluster(without))).toEqual([
      "Service default/web: 0.yaml:1: spec.clusterIP is missing, and nothing allocates one for " +
        "manifests: set a free address of the Service CIDR, or None",
    ]);
    expect(cluster(WEB.replace("10.96.0.1", "None")).problems).toEqual([]);
    const external = without.replace("spec:", "spec:\n  type: ExternalName");
    expect(cluster(external).problems).toEqual([]);
    const nodePort = WEB.replace("spec:", "spec:\n  type: NodePort");
    expect(messages(cluster(nodePort))[0]).toContain("0.yaml:1: nodePort of port 80 is missing");
  });
});
