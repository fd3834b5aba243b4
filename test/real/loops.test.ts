// A Service whose endpoint is a frontend, its own or another's: Envoy's connections to backends
// are not captured, so that none goes round in circles.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubernetesObject } from "../cases/case.ts";
import { service, slice } from "../cases/objects.ts";
import { BASE_OBJECTS, type ClientName } from "../cases/topology.ts";
import { eventually } from "../eventually.ts";
import { type CasesLab, makeCasesLab } from "./cases-lab.ts";
import { PorticoProcess } from "./portico-fixture.ts";

/** Each Service's endpoint is at this address and port; it is on this node, as far as one knows. */
function leadingTo(name: string, spec: object, address: string, port: number): KubernetesObject[] {
  const addressType = address.includes(":") ? "IPv6" : "IPv4";
  const endpoint = { addresses: [address], nodeName: "node-1" };
  return [
    service(spec, { name }),
    slice([endpoint], { serviceName: name, addressType, ports: [{ port }] }),
  ];
}

const NODE_PORT = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };
const OBJECTS: readonly KubernetesObject[] = [
  ...BASE_OBJECTS,
  ...leadingTo("self", { clusterIP: "10.96.0.11" }, "10.96.0.11", 80),
  ...leadingTo("six", { clusterIP: "fd00:96::b" }, "fd00:96::b", 80),
  ...leadingTo("node", { clusterIP: "10.96.0.12", ...NODE_PORT }, "192.0.2.1", 30080),
  ...leadingTo("there", { clusterIP: "10.96.0.13" }, "10.96.0.14", 80),
  ...leadingTo("back", { clusterIP: "10.96.0.14" }, "10.96.0.13", 80),
];

let lab: CasesLab;
let portico: PorticoProcess;
beforeAll(async () => {
  lab = await makeCasesLab();
  portico = new PorticoProcess(lab.node);
  portico.write(OBJECTS as never);
  await portico.start();
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await lab?.cluster.close();
});

test.each([
  ["its own cluster IP", "10.96.0.11", 80],
  ["its own cluster IP, in IPv6", "fd00:96::b", 80],
  ["its own node port", "192.0.2.1", 30080],
  ["another Service's, which leads back", "10.96.0.13", 80],
])("a Service that leads to %s ends at once", async (_, address, port) => {
  const before = await ports();
  for (const from of ["pod-a", "host", "outside"] satisfies ClientName[]) {
    const dialer = await lab.namespaceOf(from).dialer();
    const { outcome } = await dialer.dialOnce(address, port, { timeoutMs: 3_000 });
    expect(["eof", "reset"], from).toContain(outcome);
  }
  expect((await ports()) - before).toBeLessThan(20);
  await eventually("nothing is left of it", 3_000, async () => (await ports()) <= before + 10);
});

/** How many TCP sockets the node has, in any state. */
async function ports(): Promise<number> {
  const { stdout } = await lab.node.exec("ss", ["-Htan"]);
  return stdout.split("\n").length;
}
