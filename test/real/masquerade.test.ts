// Clients that backends are not to see: what other programs' rules see of them on the way, and what
// the backends do, over TCP and UDP, in both families.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { service, slice } from "../cases/objects.ts";
import {
  BASE_OBJECTS,
  type ClientName,
  clientAddress,
  nodeAddress,
  type PodName,
  podAddress,
} from "../cases/topology.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { type CasesLab, makeCasesLab } from "./cases-lab.ts";
import { PorticoProcess } from "./portico-fixture.ts";

const FAMILIES = ["IPv4", "IPv6"] as const;
type Family = (typeof FAMILIES)[number];
const PROTOCOLS = ["TCP", "UDP"] as const;
const ALL = FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => ({ family, protocol })));
const NODE_PORT = 30080;
const HOST_NODE_PORT = 30090;
const HOST_PORT = 8500;
const BACKENDS: readonly PodName[] = ["pod-b", "pod-e"];

let lab: CasesLab;
let portico: PorticoProcess;
beforeAll(async () => {
  lab = await makeCasesLab();
  await lab.node.serve({ tcp: HOST_PORT, udp: HOST_PORT, name: "the host" });
  portico = new PorticoProcess(lab.node);
  const pods = (family: Family) => BACKENDS.map((pod) => podAddress(pod, family));
  portico.write([
    ...BASE_OBJECTS,
    ...nodePort("web", 10, NODE_PORT, 8080, pods),
    ...nodePort("on-host", 11, HOST_NODE_PORT, HOST_PORT, (f) => [nodeAddress("node-1", f)]),
  ] as never);
  await portico.start(["--nodeport-addresses", "192.0.2.0/24,fd00:2::/64,127.0.0.0/8"]);
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await lab?.cluster.close();
});

/** A Service of both protocols and families. */
function nodePort(
  name: string,
  number: number,
  nodePort: number,
  port: number,
  addresses: (family: Family) => readonly string[],
) {
  const clusterIPs = [`10.96.0.${number}`, `fd00:96::${number}`];
  const ports = PROTOCOLS.map((protocol) => {
    return { name: protocol.toLowerCase(), protocol, port: 80, nodePort };
  });
  const slices = FAMILIES.map((addressType) =>
    slice(
      addresses(addressType).map((address) => ({ addresses: [address], nodeName: "node-1" })),
      {
        serviceName: name,
        name: `${name}-${addressType.toLowerCase()}`,
        addressType,
        ports: PROTOCOLS.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port })),
      },
    ),
  );
  const spec = { type: "NodePort", clusterIP: clusterIPs[0], clusterIPs, ports };
  return [service(spec, { name }), ...slices];
}

async function dial(
  from: ClientName,
  address: string,
  { protocol, port = NODE_PORT }: { protocol: "TCP" | "UDP"; port?: number },
): Promise<DialResult[]> {
  const dialer = await lab.namespaceOf(from).dialer();
  const results: DialResult[] = [];
  // Each from a port of its own, so that both backends are met.
  for (let index = 0; index < 12; index++) {
    results.push(await dialer.dialOnce(address, port, { protocol, timeoutMs: 700 }));
  }
  return results;
}

/** "pod-b sees 192.0.2.1", or the outcomes of those that were not answered; sorted. */
function seen(results: readonly DialResult[]): string[] {
  const texts = results.map(({ outcome, name, client }) =>
    outcome === "answered" ? `${name} sees ${client.replace(/:\d+$/, "")}` : outcome,
  );
  return [...new Set(texts)].sort();
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

describe.each(ALL)("$protocol over $family", ({ family, protocol }) => {
  const node = nodeAddress("node-1", family);
  const byNode = (pods: readonly PodName[]) => pods.map((pod) => `${pod} sees ${bracketed(node)}`);

  it.each(["outside", "host", "pod-a", "pod-f"] as const)(
    "backends see the node, of %s",
    async (from) => {
      expect(seen(await dial(from, node, { protocol }))).toEqual(byNode(BACKENDS));
    },
  );

  it("rules of others see the client, on its way to either backend", async () => {
    const [header, client] = [family === "IPv4" ? "ip" : "ip6", clientAddress("outside", family)];
    const pods = BACKENDS.map((pod) => podAddress(pod, family)).join(", ");
    const drop = `${header} saddr ${client} ${header} daddr { ${pods} } drop`;
    const hooks = ["forward", "output"].map(
      (hook) => `chain ${hook} {\n type filter hook ${hook} priority filter;\n ${drop}\n }`,
    );
    await lab.node.exec("nft", ["-f", "-"], {
      input: `table inet others {\n${hooks.join("\n")}\n}\n`,
    });
    try {
      const denied = seen(await dial("outside", node, { protocol }));
      expect(denied.filter((text) => text.includes("sees"))).toEqual([]);
      expect(seen(await dial("pod-f", node, { protocol }))).toEqual(byNode(BACKENDS));
    } finally {
      await lab.node.exec("nft", ["delete", "table", "inet", "others"]);
    }
  });

  it("a backend on the host sees the client, as with kube-proxy", async () => {
    const results = await dial("outside", node, { protocol, port: HOST_NODE_PORT });
    const client = bracketed(clientAddress("outside", family));
    expect(seen(results)).toEqual([`the host sees ${client}`]);
  });
});

it.each(PROTOCOLS)("node ports on loopback are the host's, over %s", async (protocol) => {
  const results = await dial("host", "127.0.0.1", { protocol });
  expect(seen(results)).toEqual(BACKENDS.map((pod) => `${pod} sees 192.0.2.1`));
});
